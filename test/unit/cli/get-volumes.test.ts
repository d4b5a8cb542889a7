import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ReportedVolume } from '../../../src/api/reported-volume.ts';
import { cli } from '../../support/cli-run.ts';
import type { CliResult } from '../../support/cli-run.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hypeman-get-volumes-'));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

const USED: ReportedVolume = {
  ...{ namespace: 'default', name: 'data', size: '10GB', usedBy: ['default/web (read-write)'] },
  ...{ reclaimPolicy: 'Retain', createdAt: '2026-11-20T11:00:00Z', state: 'InUse' },
};
const LARGE: ReportedVolume = {
  ...{ namespace: 'prod', name: 'large', size: '2GB', usedBy: [], reclaimPolicy: 'Delete' },
  ...{
    createdAt: '2026-11-20T11:00:00Z',
    state: 'Available',
    message: 'spec.size is 1GB: a volume never shrinks',
  },
};
const NEW: ReportedVolume = { namespace: 'default', name: 'new', usedBy: [], state: 'Pending' };

async function get(volumes: readonly ReportedVolume[], ...words: readonly string[]): Promise<CliResult> {
  await mkdir(`${stateDir}/volumes`, { recursive: true });
  await writeFile(`${stateDir}/volumes/status.json`, JSON.stringify(volumes));
  return cli(['--state-dir', stateDir, '--run-dir', join(stateDir, 'run'), 'get', ...words]);
}

test('volumes stand in a table with who uses them', async () => {
  expect((await get([USED, NEW, LARGE], 'volumes')).stdout).toBe(
    [
      'NAME   SIZE     USED BY                    RECLAIM   AGE      STATE',
      'data   10GB     default/web (read-write)   Retain    60m      InUse',
      'new    <none>   <none>                     <none>    <none>   Pending',
      '',
    ].join('\n'),
  );
});

test('wide tells what is not as declared, in every namespace', async () => {
  expect(
    (await get([USED, LARGE], 'volumes', '-A', '-o', 'wide', '--no-headers')).stdout.split('\n')[1],
  ).toMatch(/^prod +large +2GB +<none> +Delete +\S+ +Available +spec\.size is 1GB: a volume never shrinks$/);
});

test('a name that is not there is told, with an exit code', async () => {
  const { stdout, stderr, code } = await get([USED], 'volume', 'data', 'none', '-o', 'name');
  expect({ stdout, stderr, code }).toEqual({
    stdout: 'volume.hypeman.dev/data\n',
    stderr: 'there is no volume none\n',
    code: 1,
  });
});

test('an instance with the word for a name is still found by its full name', async () => {
  expect((await get([USED], 'instance/volumes')).stderr).toContain('volumes');
  expect((await get([USED], 'instance/volumes')).stdout).toBe('');
});
