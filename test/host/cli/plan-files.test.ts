import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PlannedInstance } from '../../../src/cli/planned.ts';
import { installKernel } from '../../../src/guest/kernel.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { SHARED_GID } from '../../../src/machine/owner.ts';
import { planFiles } from '../../../src/plan-files.ts';
import { openStorage } from '../../../src/storage/open-storage.ts';
import { report, reported } from '../../support/cli-run.ts';
import { freshRecord } from '../../support/records.ts';
import { aRun, pinned } from '../../support/worlds.ts';

let base = '';
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hm-plan-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function plannedFork(): Promise<PlannedInstance | undefined> {
  const file = join(base, 'fork.yaml');
  const kind = 'apiVersion: hypeman.dev/v1alpha1\nkind: Instance\n';
  await writeFile(file, `${kind}metadata: { name: copy }\nspec: { forkFrom: { instance: base } }\n`);
  const places = { stateDir: base, runDir: base };
  return (await planFiles([file], places, () => instanceId('c000000000000000000000c0')))[0];
}

test('a fork of a stopped instance of this host is planned without the file of that one', async () => {
  const storage = await openStorage({ roots: { state: base, run: base } });
  await storage.writeRecord(
    freshRecord('base', { image: pinned(), run: aRun(), stoppedAt: 1_700_000_000_000 }),
  );
  const spec = { image: 'example.com/app:1', state: 'Stopped', env: { TOKEN: '[hidden]' } };
  await report(base, reported('base', { spec, status: { state: 'Stopped' } }));
  const planned = await plannedFork();
  const steps = planned?.rounds.flatMap(({ actions }) => actions.map(({ kind }) => kind));
  expect(steps).toEqual(['write-record', 'keep-inheritance', 'write-record']);
  expect(planned?.rounds.at(-1)?.message).toBe('the fork gets copies of the disks of default/base');
});

test('one that was forgotten since its last report is not taken for one that is there', async () => {
  await report(base, reported('base', { spec: { image: 'example.com/app:1' } }));
  expect((await plannedFork())?.rounds.at(-1)?.message).toContain('it is declared in none of these files');
});

test('an instance that nobody has started yet is planned with the Volume of its file', async () => {
  const kind = 'apiVersion: hypeman.dev/v1alpha1\nkind: ';
  const file = join(base, 'site.yaml');
  const mounts = '[{ volume: data, mountPath: /srv/data }]';
  await writeFile(
    file,
    `${kind}Volume\nmetadata: { name: data }\nspec: { size: 1GB }\n---\n${kind}Instance\nmetadata: { name: site }\nspec: { image: example.com/app:1, volumes: ${mounts} }\n`,
  );
  const places = { stateDir: base, runDir: base };
  await installKernel({
    ...{ roots: { state: base, run: base }, sharedGid: SHARED_GID, report: () => undefined },
    cacheDir: new URL('../../../.cache/kernel', import.meta.url).pathname,
  });
  const [planned] = await planFiles([file], places, () => instanceId('c000000000000000000000c0'));
  const steps = planned?.rounds.flatMap(({ actions }) => actions.map(({ kind }) => kind));
  expect(steps).toEqual(expect.arrayContaining(['create-volume', 'start-machine']));
});
