import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collectCgroups } from '../../../src/host/cgroups.ts';
import { endPodHolder, findPodCgroup, joinPodCgroup, leavePodCgroup } from '../../../src/host/pod-cgroup.ts';
import { identityOf, readBootId } from '../../../src/host/processes.ts';
import type { ProcessIdentity } from '../../../src/machine/machine.ts';
import {
  hierarchies,
  makeTestCgroup,
  removeTestCgroup,
  testCgroupMissing,
} from '../../support/test-cgroup.ts';

const POD = '0c5b2a3e-1f7d-4c55-9a0e-3d6a1b2c4d5e';
const UNDERSCORED = '0c5b2a3e_1f7d_4c55_9a0e_3d6a1b2c4d5e';
const COUNTED = ['memory', 'cpu', 'cpuacct', 'pids'];

describe('where a kubelet puts the cgroup of a Pod', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(`${tmpdir()}/hm-pods-`);
  });
  afterEach(() => rm(root, { recursive: true }));

  test.each([
    ['cgroupfs, guaranteed', `kubepods/pod${POD}`],
    ['cgroupfs, burstable', `kubepods/burstable/pod${POD}`],
    ['cgroupfs, best effort', `kubepods/besteffort/pod${POD}`],
    ['cgroupfs below --cgroup-root', `lab/kubepods/burstable/pod${POD}`],
    ['systemd, guaranteed', `kubepods.slice/kubepods-pod${UNDERSCORED}.slice`],
    [
      'systemd, burstable',
      `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UNDERSCORED}.slice`,
    ],
    [
      'systemd, best effort',
      `kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UNDERSCORED}.slice`,
    ],
    [
      'systemd, guaranteed, below --cgroup-root=/my-root',
      `my_root.slice/my_root-kubepods.slice/my_root-kubepods-pod${UNDERSCORED}.slice`,
    ],
    [
      'systemd below --cgroup-root',
      `kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${UNDERSCORED}.slice`,
    ],
  ])('%s', async (_, path) => {
    await mkdir(`${root}/${path}/container`, { recursive: true });
    await mkdir(`${root}/kubepods/burstable/pod11111111-1f7d-4c55-9a0e-3d6a1b2c4d5e`, { recursive: true });
    expect(await findPodCgroup(root, POD)).toBe(`${root}/${path}`);
  });

  test('of two it is the one with containers: a kubelet 1.20 makes both for systemd with version 2', async () => {
    const unused = `kubepods/burstable/pod${POD}`;
    const used = `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UNDERSCORED}.slice`;
    for (const path of [`${unused}/vmm`, used]) await mkdir(`${root}/${path}`, { recursive: true });
    expect(await findPodCgroup(root, POD)).toBeUndefined();
    await mkdir(`${root}/${used}/cri-containerd-1.scope`);
    expect(await findPodCgroup(root, POD)).toBe(`${root}/${used}`);
  });

  test('a Pod that has none is nowhere', async () => {
    await mkdir(`${root}/kubepods/burstable/pod11111111-1f7d-4c55-9a0e-3d6a1b2c4d5e`, { recursive: true });
    expect(await findPodCgroup(root, POD)).toBeUndefined();
  });
});

const missing = await testCgroupMissing();

describe.skipIf(missing !== undefined)(`a machine in the cgroup of a Pod ${missing ?? ''}`, () => {
  const base = `/hypeman-test-pod-${process.pid}`;
  const place = `${base}/kubepods/burstable/pod${POD}`;
  const name = `test-pod-${process.pid}`;
  let children: ChildProcess[] = [];

  async function begin(script: string): Promise<ProcessIdentity> {
    const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    await once(child.stdout, 'data');
    const identity = await identityOf(child.pid ?? 0, await readBootId());
    if (identity === undefined) throw new Error('the process did not start');
    return identity;
  }
  const begun = (): Promise<ProcessIdentity> => begin('echo up; read forever <&1');
  async function makePod(): Promise<void> {
    for (const path of [base, `${base}/kubepods`, `${base}/kubepods/burstable`, place, `${place}/holder`])
      await makeTestCgroup(path);
  }
  /** By version 1 where that counts, else by version 2, whose line names no controller. */
  async function placesOf({ pid }: ProcessIdentity): Promise<readonly string[]> {
    const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trim().split('\n');
    const memberships = lines.map((line) => line.split(':'));
    const counting = memberships.filter(([, names = '']) =>
      names.split(',').some((one) => COUNTED.includes(one)),
    );
    const second = memberships.filter(([, names]) => names === '');
    return (counting.length > 0 ? counting : second).map(([, , path = '']) => path);
  }

  /** What a plain rmdir(2) of the Pod's cgroup would fail at. */
  const oursInPod = (): readonly string[] =>
    hierarchies.map(({ at }) => `${at}${place}/vmm`).filter((path) => existsSync(path));

  async function killAll(): Promise<void> {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    children = [];
  }

  afterEach(async () => {
    await killAll();
    await removeTestCgroup(base);
    await collectCgroups();
  });

  test('it joins the Pod’s once that is there, and is counted in each that counts', async () => {
    const machine = await begun();
    expect(await joinPodCgroup(machine, POD)).toBe('absent');
    await makePod();
    expect(await joinPodCgroup(machine, POD)).toBe('joined');
    expect(new Set(await placesOf(machine))).toEqual(new Set([`${place}/vmm`]));
    expect(await joinPodCgroup(machine, POD)).toBe('joined');
  });

  test('a stranger that has its pid by now is not moved', async () => {
    await makePod();
    const stranger = await begun();
    await joinPodCgroup({ ...stranger, startTime: stranger.startTime - 1 }, POD);
    expect(await placesOf(stranger)).not.toContain(`${place}/vmm`);
  });

  test('it leaves before the Pod’s cgroup is ended, and only out of one', async () => {
    const machine = await begun();
    const before = await placesOf(machine);
    await leavePodCgroup(machine, name);
    expect(await placesOf(machine)).toEqual(before);
    await makePod();
    await joinPodCgroup(machine, POD);
    await leavePodCgroup(machine, name);
    expect(new Set(await placesOf(machine))).toEqual(new Set([`/hypeman/${name}`]));
    expect(oursInPod()).toEqual([]);
  });

  test('what a machine that ended in it leaves there is removed with its holder, also after that', async () => {
    await makePod();
    const machine = await begun();
    await joinPodCgroup(machine, POD);
    expect(oursInPod()).not.toEqual([]);
    await endPodHolder(POD, machine.bootId);
    expect(new Set(await placesOf(machine))).toEqual(new Set([`${place}/vmm`]));
    await killAll();
    await removeTestCgroup(`${place}/holder`);
    // As a kubelet 1.20 makes both: neither has containers in it now.
    await makeTestCgroup(`${base}/kubepods/besteffort`);
    await makeTestCgroup(`${base}/kubepods/besteffort/pod${POD}`);
    await expect.poll(() => endPodHolder(POD, machine.bootId).then(oursInPod)).toEqual([]);
  });

  test('what holds the Pod is told to end, and a machine in it is not', async () => {
    await makePod();
    const machine = await begin("trap 'exit 3' USR1; echo up; read forever <&1");
    await joinPodCgroup(machine, POD);
    const holder = await begin("trap '' TERM; trap 'exit 0' USR1; echo up; sleep 60 & wait");
    const [, holderProcess] = children;
    const ended = holderProcess === undefined ? [] : once(holderProcess, 'exit');
    for (const { at } of hierarchies)
      await writeFile(`${at}${place}/holder/cgroup.procs`, String(holder.pid));
    await endPodHolder(POD, machine.bootId);
    expect((await ended)[0]).toBe(0);
    expect(await placesOf(machine)).toContain(`${place}/vmm`);
  });
});
