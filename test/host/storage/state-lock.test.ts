import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { spawnDetached, readBootId, signalProcess } from '../../../src/host/processes.ts';
import type { Roots } from '../../../src/machine/paths.ts';
import { lockStateDirectory } from '../../../src/storage/state-lock.ts';

let roots: Roots;
let children: ChildProcess[];
beforeEach(async () => {
  const directory = await mkdtemp(`${tmpdir()}/hypeman-lock-`);
  roots = { state: directory, run: directory };
  children = [];
});
afterEach(async () => {
  for (const child of children) await kill(child);
  await rm(roots.state, { recursive: true, force: true });
});

/** Another controller: says `locked` or the reason why not, and holds on until it is killed. */
async function otherController(): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const module = new URL('../../../src/storage/state-lock.ts', import.meta.url).href;
  const program = `import { lockStateDirectory } from ${JSON.stringify(module)};
    try { await lockStateDirectory(${JSON.stringify(roots)}); console.log('locked'); }
    catch (error) { console.log(error.reason); }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: chunk.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('the lock on a state directory', () => {
  test('refuses a second controller and names the pid of the first', async () => {
    const { child, said } = await otherController();
    expect(said).toBe('locked');
    await expect(lockStateDirectory(roots)).rejects.toMatchObject({
      fate: 'invalid',
      reason: 'StateDirectoryInUse',
      message: expect.stringContaining(`(pid ${child.pid ?? 'none'}) uses ${roots.state}`) as string,
    });
  });

  test('goes with its holder, even one that was killed with -9', async () => {
    const { child } = await otherController();
    await kill(child);
    const lock = await lockStateDirectory(roots);
    lock.release();
  });

  test('is not kept alive by a process that the holder started', async () => {
    const lock = await lockStateDirectory(roots);
    const bootId = await readBootId();
    const options = { name: 'sleeper', logPath: `${roots.state}/log`, bootId };
    const detached = await spawnDetached('sleep', ['60'], options);
    lock.release();
    const again = await lockStateDirectory(roots);
    again.release();
    await signalProcess(detached.identity, bootId, 'SIGKILL');
    await detached.ended;
  });

  test('has one winner when many come at once, over the left-over of a dead one', async () => {
    await writeFile(`${roots.state}/lock`, '999999\n');
    const all = await Promise.all(Array.from({ length: 4 }, () => otherController()));
    expect(all.map(({ said }) => said).sort()).toEqual([
      ...Array<string>(3).fill('StateDirectoryInUse'),
      'locked',
    ]);
  });

  test('released twice frees nothing that somebody else took meanwhile', async () => {
    const first = await lockStateDirectory(roots);
    first.release();
    const second = await lockStateDirectory(roots);
    first.release();
    await expect(lockStateDirectory(roots)).rejects.toMatchObject({ reason: 'StateDirectoryInUse' });
    second.release();
  });
});
