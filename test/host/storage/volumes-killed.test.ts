import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { addImage, makeLayer, nameInLayout } from '../../support/oci-layout.ts';
import { volumesStage } from '../../support/volumes-stage.ts';

const stage = volumesStage();

async function uuidOf(path: string): Promise<string> {
  return /Filesystem UUID: +(\S+)/.exec(await commandOutput('dumpe2fs', ['-h', path]))?.[1] ?? '';
}

test('killed at any moment, a volume is whole or absent, and never made twice', async () => {
  const layout = `${stage.state}/layout`;
  await mkdir(layout);
  const layer = await makeLayer(`${stage.state}/layer.tar`, (root) => writeFile(`${root}/file`, 'whole'));
  await nameInLayout(layout, 'v1', await addImage(layout, [layer], {}));
  const uuids = new Map<string, string>();
  let filled = 0;
  for (let round = 0; round < 12; round++) {
    await killedAfter(round * 61, `oci:${layout}:v1`);
    const after = await stage.opened();
    expect(after.problems()).toEqual([]);
    await after.collect();
    for (const { id, image } of after.all()) {
      const path = `${stage.state}/volumes/${id}/disk.img`;
      expect((await runCommand('e2fsck', ['-f', '-p', path])).exitCode).toBeLessThanOrEqual(2);
      if (image !== undefined) {
        expect(await commandOutput('debugfs', ['-R', 'cat /file', path])).toBe('whole');
        filled += 1;
      }
      const uuid = await uuidOf(path);
      expect(uuids.get(id) ?? uuid).toBe(uuid);
      uuids.set(id, uuid);
    }
    expect((await readdir(`${stage.state}/volumes`)).filter((name) => name.startsWith('.'))).toEqual([]);
  }
  expect(uuids.size).toBeGreaterThan(2);
  expect(filled).toBeGreaterThan(0);
}, 300_000);

/** From the first volume on; the programs that it had begun end by themselves. */
async function killedAfter(ms: number, reference: string): Promise<void> {
  const script = new URL('../../support/volumes-forever.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, stage.state, reference], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  await sleep(ms);
  child.kill('SIGKILL');
  await exit;
  await sleep(300);
}
