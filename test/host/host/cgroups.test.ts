import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collectCgroups, leaveCgroups } from '../../../src/host/cgroups.ts';
import {
  hierarchies,
  makeTestCgroup,
  pidsInCgroup,
  removeTestCgroup,
  testCgroupMissing,
} from '../../support/test-cgroup.ts';

const CONTAINER = `/hypeman-test-${process.pid}`;
const missing = (await testCgroupMissing()) ?? '';

/** As whoever ends a container: everything that is in a cgroup of it. */
async function killContainer(): Promise<void> {
  for (const pid of new Set(await pidsInCgroup(CONTAINER))) process.kill(pid, 'SIGKILL');
}

function ourCgroupsOf(name: string): readonly string[] {
  return hierarchies.map(({ at }) => `${at}/hypeman/${name}`).filter((path) => existsSync(path));
}

describe.skipIf(missing !== '')(`a process in a container ${missing}`, () => {
  let child: ChildProcess;
  let pid = 0;

  beforeEach(async () => {
    await makeTestCgroup(CONTAINER);
    child = spawn('sleep', ['600']);
    pid = child.pid ?? 0;
    for (const { at } of hierarchies) await writeFile(`${at}${CONTAINER}/cgroup.procs`, String(pid));
  });
  afterEach(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await removeTestCgroup(CONTAINER);
    await collectCgroups();
  });

  test('ends with it', async () => {
    const exited = once(child, 'exit');
    await killContainer();
    expect(await exited).toEqual([null, 'SIGKILL']);
  });

  test('lives on when it has left, in a cgroup of its own of every hierarchy', async () => {
    await leaveCgroups(pid, 'one', hierarchies);
    await killContainer();
    const memberships = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trim().split('\n');
    expect(memberships.filter((line) => !line.endsWith(':/hypeman/one'))).toEqual([]);
    expect(child.signalCode).toBeNull();
  });

  test('that left keeps its cgroup while it lives, whatever is collected, and no longer', async () => {
    await leaveCgroups(pid, 'one', hierarchies);
    await collectCgroups();
    expect(ourCgroupsOf('one')).toHaveLength(hierarchies.length);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect
      .poll(async () => {
        await collectCgroups();
        return ourCgroupsOf('one');
      })
      .toEqual([]);
  });

  test('leaves while others collect', async () => {
    const over = new AbortController();
    const collecting = (async () => {
      while (!over.signal.aborted) await collectCgroups().then(() => sleep(20));
    })();
    for (let turn = 0; turn < 30; turn += 1) await leaveCgroups(pid, `turn-${turn}`, hierarchies);
    over.abort();
    await collecting;
    expect(await readFile(`/proc/${pid}/cgroup`, 'utf8')).not.toContain(CONTAINER);
  });

  test('that ended is left be', async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    await leaveCgroups(pid, 'one', hierarchies);
    await collectCgroups();
    expect(ourCgroupsOf('one')).toEqual([]);
  });

  test('that cannot leave all of it is refused', async () => {
    const [, ...others] = hierarchies;
    await expect(leaveCgroups(pid, 'one', others)).rejects.toThrow('mount the host');
  });
});
