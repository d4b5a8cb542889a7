import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collectCgroups, hierarchiesIn, leaveCgroups } from '../../../src/host/cgroups.ts';
import type { Hierarchy } from '../../../src/host/cgroups.ts';

const hierarchies = hierarchiesIn(await readFile('/proc/self/mountinfo', 'utf8'));
const CONTAINER = `hypeman-test-${process.pid}`;
const missing = await whyNot();

async function whyNot(): Promise<string> {
  if (hierarchies.length === 0) return 'no cgroup hierarchy of the host is mounted';
  try {
    await makeContainer();
    return '';
  } catch (error) {
    return `no right to make cgroups: ${String(error)}`;
  } finally {
    await removeContainer();
  }
}

async function makeContainer(): Promise<void> {
  for (const hierarchy of hierarchies) {
    await mkdir(containerIn(hierarchy));
    if (!hierarchy.controllers.includes('cpuset')) continue;
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      await writeFile(`${containerIn(hierarchy)}/${file}`, await readFile(`${hierarchy.at}/${file}`));
  }
}

async function removeContainer(): Promise<void> {
  for (const hierarchy of hierarchies) {
    const path = containerIn(hierarchy);
    // A process that was reaped leaves its cgroups a moment later.
    while (existsSync(path)) await rmdir(path).catch(() => sleep(10));
  }
}

function containerIn({ at }: Hierarchy): string {
  return `${at}/${CONTAINER}`;
}

/** As whoever ends a container: everything that is in a cgroup of it. */
async function killContainer(): Promise<void> {
  for (const hierarchy of hierarchies)
    for (const pid of (await readFile(`${containerIn(hierarchy)}/cgroup.procs`, 'utf8')).split('\n'))
      if (pid !== '') process.kill(Number(pid), 'SIGKILL');
}

function ourCgroupsOf(name: string): readonly string[] {
  return hierarchies.map(({ at }) => `${at}/hypeman/${name}`).filter((path) => existsSync(path));
}

describe.skipIf(missing !== '')(`a process in a container ${missing}`, () => {
  let child: ChildProcess;
  let pid = 0;

  beforeEach(async () => {
    await makeContainer();
    child = spawn('sleep', ['600']);
    pid = child.pid ?? 0;
    for (const hierarchy of hierarchies)
      await writeFile(`${containerIn(hierarchy)}/cgroup.procs`, String(pid));
  });
  afterEach(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await removeContainer();
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
