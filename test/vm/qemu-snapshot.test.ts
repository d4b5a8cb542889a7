import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, readFile, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { recordVmm } from '../../src/drivers/qemu/adoption.ts';
import { findQemu } from '../../src/drivers/qemu/program.ts';
import { argvFor } from '../../src/drivers/qemu/translate.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { ensureOwnedDirectory, ensureOwnedFile } from '../../src/host/owned-files.ts';
import { spawnDetached } from '../../src/host/processes.ts';
import type { MachineRef, MemoryKeeper } from '../../src/machine/driver.ts';
import type { Machine, MachineNic } from '../../src/machine/machine.ts';
import { tapNameFor } from '../../src/machine/ids.ts';
import { SHARED_GID } from '../../src/machine/owner.ts';
import { describeMemoryKeeper } from '../conformance/memory-suite.ts';
import { withFilesystem } from '../support/loop-filesystem.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { QemuStage } from '../support/qemu-stage.ts';

describeMemoryKeeper('qemu', openQemuStage);

describe('the memory of a QEMU machine', () => {
  const signal = new AbortController().signal;
  const noDisks = { copyDisks: () => Promise.resolve() };
  let stage: QemuStage;
  const used: Machine[] = [];
  const keeper = (): MemoryKeeper => {
    const { memory } = stage.driver();
    if (memory === undefined) throw new Error('this driver keeps no memory');
    return memory;
  };
  const stateOf = async (machine: MachineRef): Promise<string> =>
    (await stage.driver().observe(machine, signal)).state;
  const counted = (machine: Machine, past: number): Promise<void> =>
    expect.poll(() => stage.countOf(machine), { timeout: 60_000, interval: 50 }).toBeGreaterThan(past);
  const start = async (machine: Machine): Promise<Machine> => {
    used.push(machine);
    await stage.driver().start(machine, signal);
    await counted(machine, 5);
    return machine;
  };
  const running = async (): Promise<Machine> => start(await stage.keptMachine());
  const restore = (machine: Machine): Promise<void> => keeper().restore(machine, { kind: 'standby' }, signal);
  const forkFrom = async (source: Machine, base = stage.newBase()): Promise<Machine> => {
    await keeper().freeze(source, base, noDisks, signal);
    const fork = await stage.forkOf(source);
    used.push(fork);
    await keeper().restore(fork, { kind: 'base', base }, signal);
    return fork;
  };
  const mappingOf = async (machine: Machine): Promise<string> =>
    (await readFile(`/proc/${(await stage.pidsOf(machine))[0]}/maps`, 'utf8'))
      .split('\n')
      .filter((line) => line.endsWith(machine.paths.memory))
      .join('\n');
  const bootsOf = async ({ paths }: Machine): Promise<number> =>
    (await readFile(paths.consoleLog, 'utf8')).split('the guest is up').length - 1;

  beforeAll(async () => {
    stage = await openQemuStage();
  });
  afterEach(async () => {
    for (const machine of used.splice(0)) {
      await stage.driver().kill(machine, signal);
      await stage.discard(machine.paths.standby);
    }
  });
  afterAll(async () => {
    await stage.close();
  });

  test('is a sparse file of its VMM’s own, and goes with it', async () => {
    const machine = await running();
    const { uid, mode, size, blocks } = await stat(machine.paths.memory);
    expect({ uid, mode: mode & 0o777, size }).toEqual({
      ...{ uid: machine.owner.uid, mode: 0o600, size: machine.memoryBytes },
    });
    expect(blocks * 512).toBeLessThan(machine.memoryBytes);
    await stage.driver().kill(machine, signal);
    expect(await stage.tracesOf(machine)).toEqual([]);
  });

  test('in standby is out of reach for every VMM', async () => {
    const machine = await running();
    await keeper().suspend(machine, signal);
    const { uid, mode } = await stat(machine.paths.standby.directory);
    expect({ uid, mode: mode & 0o777 }).toEqual({ uid: 0, mode: 0o700 });
    expect(await stage.tracesOf(machine)).toEqual(['standby']);
  });

  test('is frozen, and its machine goes on, though the controller is told to end meanwhile', async () => {
    const source = await running();
    const ending = new AbortController();
    const copyDisks = (): Promise<void> => {
      ending.abort();
      return Promise.resolve();
    };
    await keeper().freeze(source, stage.newBase(), { copyDisks }, ending.signal);
    expect(await stateOf(source)).toBe('running');
    await counted(source, (await stage.countOf(source)) + 3);
  });

  test('that is frozen is root’s, and the same to the bit whatever source and forks do', async () => {
    const source = await running();
    const base = stage.newBase();
    const forks = [await forkFrom(source, base), await forkFrom(source, base)];
    const before = await commandOutput('sha256sum', [base.memory]);
    expect(await stat(base.memory)).toMatchObject({ uid: 0, gid: SHARED_GID });
    for (const machine of [source, ...forks]) {
      expect(await mappingOf(machine)).toMatch(/ rw.p /);
      await counted(machine, (await stage.countOf(machine)) + 20);
    }
    await keeper().suspend(source, signal);
    await restore(source);
    expect(await mappingOf(source)).toMatch(/ rw.s /);
    expect(await commandOutput('sha256sum', [base.memory])).toBe(before);
    expect(await stage.snapshotAt(base)).toBe('ready');
  });

  test('that a VMM wrote to after it was frozen is used by no further fork', async () => {
    const source = await running();
    const base = stage.newBase();
    const fork = await forkFrom(source, base);
    const { uid, gid } = fork.owner;
    const asVmm = ['--reuid', `${uid}`, '--regid', `${gid}`, '--groups', `${SHARED_GID}`];
    const hole = ['--punch-hole', '--offset', '0', '--length', '4096', fork.paths.memory];
    await commandOutput('setpriv', [...asVmm, 'fallocate', ...hole]);
    const next = await stage.forkOf(source);
    const going = keeper().restore(next, { kind: 'base', base }, signal);
    await expect(going).rejects.toMatchObject({ reason: 'SnapshotUnusable' });
  });

  test('is kept when a restore fails for want of a disk, or for a device state nobody can read', async () => {
    const machine = await stage.keptMachine();
    const disk = `${stage.base}/needed.img`;
    await ensureOwnedFile(disk, { uid: machine.owner.uid, gid: 0, mode: 0o600 });
    await truncate(disk, 1024 * 1024);
    const kept = await start({ ...machine, disks: [{ serial: 'overlay', path: disk, readonly: false }] });
    await keeper().suspend(kept, signal);
    await rename(disk, `${disk}.away`);
    await expect(restore(kept)).rejects.toMatchObject({ reason: 'FileMissing' });
    await rename(`${disk}.away`, disk);
    const { deviceState } = kept.paths.standby;
    const devices = await readFile(deviceState);
    await writeFile(deviceState, Buffer.concat([devices.subarray(0, 5000), Buffer.alloc(5000, 1)]));
    await expect(restore(kept)).rejects.toMatchObject({ reason: 'SnapshotUnusable' });
    expect(await stage.vmmsOf(kept)).toBe(0);
    expect(await stage.tracesOf(kept)).toEqual(['standby']);
    await writeFile(deviceState, devices);
    const before = await stage.countOf(kept);
    await restore(kept);
    await counted(kept, before);
  });

  test('that was not kept in a file cannot be, and the machine runs on', async () => {
    const { memory, ...machine } = await stage.keptMachine();
    expect(memory).toBe('file');
    await start(machine);
    const refusal = { reason: 'CannotSuspend', fate: 'invalid' };
    await expect(keeper().suspend(machine, signal)).rejects.toMatchObject(refusal);
    await counted(machine, await stage.countOf(machine));
  });

  test('that finds no room on the disk stays where it is, and the machine runs on', async () => {
    await withFilesystem('ext4', stage.base, async (mounted) => {
      await commandOutput('chmod', ['711', mounted]);
      const machine = await start(await stage.keptMachineIn(mounted));
      const fork = await stage.keptMachineIn(mounted);
      used.push(fork);
      const base = stage.newBaseIn(mounted);
      await keeper().freeze(machine, base, noDisks, signal);
      await keeper().restore(fork, { kind: 'base', base }, signal);
      await commandOutput('dd', ['if=/dev/zero', `of=${mounted}/ballast`, 'bs=1M']).catch(() => undefined);
      await expect(keeper().suspend(fork, signal)).rejects.toMatchObject({ reason: 'DiskFull' });
      expect(await stateOf(fork)).toBe('running');
      expect((await readdir(fork.paths.directory)).filter((name) => name.includes('standby'))).toEqual([]);
      await counted(fork, await stage.countOf(fork));
      await rm(`${mounted}/ballast`);
      await keeper().suspend(fork, signal);
      for (const each of [machine, fork]) await stage.driver().kill(each, signal);
    });
  });

  test('of a machine with a network goes on behind another tap, with another address outside', async () => {
    const kept = await stage.keptMachine();
    const made = await stage.forkOf(kept);
    const nicOf = ({ id }: Machine, mac: string): MachineNic => ({ tap: tapNameFor(id, 'test'), mac });
    const source = { ...kept, nic: nicOf(kept, '02:00:0a:64:00:02') };
    const fork = { ...made, nic: nicOf(made, '02:00:0a:64:00:03') };
    const taps = [source, fork].map(({ nic, owner }) => ({ tap: nic.tap, uid: `${owner.uid}` }));
    for (const { tap, uid } of taps)
      await commandOutput('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap', 'user', uid]);
    try {
      await start(source);
      const base = stage.newBase();
      await keeper().freeze(source, base, noDisks, signal);
      used.push(fork);
      await keeper().restore(fork, { kind: 'base', base }, signal);
      await counted(fork, (await stage.countOf(source)) + 5);
      expect(await stateOf(source)).toBe('running');
      for (const each of [source, fork]) await stage.driver().kill(each, signal);
    } finally {
      for (const { tap } of taps) await commandOutput('ip', ['tuntap', 'del', 'dev', tap, 'mode', 'tap']);
    }
  });

  test('of a restore that its controller did not finish stands in the way of no boot', async () => {
    const machine = await running();
    await keeper().suspend(machine, signal);
    const { paths, owner } = machine;
    await ensureOwnedDirectory(paths.runDirectory, { uid: owner.uid, gid: owner.gid, mode: 0o750 });
    await link(paths.standby.memory, paths.memory);
    const facts = { ...(await findQemu('qemu-system-x86_64', signal)), accelerator: 'tcg' as const };
    const place = { name: machine.id, logPath: paths.vmmLog, bootId: stage.bootId };
    const { identity } = await spawnDetached(facts.program, argvFor(machine, facts, 'own'), place);
    await recordVmm(paths, identity);
    await stage.restartController();
    await expect.poll(() => stateOf(machine), { timeout: 10_000 }).toBe('created');
    await stage.discard(machine.paths.standby);
    await stage.driver().start(machine, signal);
    await expect.poll(() => bootsOf(machine), { timeout: 60_000 }).toBe(2);
  });

  test('survives a controller that is killed at any moment of standby, restore and freezing', async () => {
    const machine = await running();
    const description = `${stage.base}/machine.json`;
    await writeFile(description, JSON.stringify(machine));
    const base = stage.newBase();
    for (let times = 0; times < 15; times += 1) {
      const before = await stage.countOf(machine);
      await stage.restartController();
      await killedWhileBusy(description, base.directory);
      await stage.discard(base);
      if ((await stateOf(machine)) === 'absent')
        expect(await stage.snapshotAt(machine.paths.standby)).toBe('ready');
      // One that was just starting does not answer for a moment.
      await expect.poll(() => stateOf(machine), { timeout: 10_000 }).not.toBe('unknown');
      await restore(machine);
      await counted(machine, before);
      expect(await stage.vmmsOf(machine)).toBe(1);
    }
    expect(await bootsOf(machine)).toBe(1);
  });

  async function killedWhileBusy(description: string, base: string): Promise<void> {
    const script = new URL('../support/suspend-forever.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, description, base], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    await sleep(Math.random() * 700);
    child.kill('SIGKILL');
    await exit;
  }
});
