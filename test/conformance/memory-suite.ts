import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MachineRef, MemoryKeeper, RestoreFrom } from '../../src/machine/driver.ts';
import type { Machine, MachineState } from '../../src/machine/machine.ts';
import type { SnapshotPaths } from '../../src/machine/snapshot-paths.ts';
import type { SnapshotState } from '../../src/machine/snapshot.ts';
import type { DriverStage } from './driver-suite.ts';

/** What the suite of memory needs beside what every driver's does. */
export type MemoryStage = DriverStage & {
  /** One whose memory is kept, with a guest that counts up in its RAM. */
  keptMachine(): Promise<Machine>;
  /** Another machine of the same shape: a fork to be. */
  forkOf(machine: Machine): Promise<Machine>;
  /** What the guest has counted to: more each time while it runs, from nothing after a boot. */
  countOf(ref: MachineRef): Promise<number>;
  newBase(): SnapshotPaths;
  snapshotAt(paths: SnapshotPaths): Promise<SnapshotState['state']>;
  discard(paths: SnapshotPaths): Promise<void>;
};

const MIB = 1024 ** 2;
const STANDBY: RestoreFrom = { kind: 'standby' };
const noDisks = { copyDisks: () => Promise.resolve() };

/** What every driver that keeps memory promises. */
export function describeMemoryKeeper(name: string, open: () => Promise<MemoryStage>): void {
  describe(`memory kept by the ${name} driver`, () => {
    let stage: MemoryStage;
    const started: Machine[] = [];
    const signal = new AbortController().signal;
    const keeper = (): MemoryKeeper => {
      const { memory } = stage.driver();
      if (memory === undefined) throw new Error('this driver keeps no memory');
      return memory;
    };
    const look = (ref: MachineRef): Promise<MachineState> => stage.driver().observe(ref, signal);
    const suspend = (machine: Machine): Promise<void> => keeper().suspend(machine, signal);
    const restore = (machine: Machine, from = STANDBY): Promise<void> => {
      started.push(machine);
      return keeper().restore(machine, from, signal);
    };
    const standbyOf = (machine: Machine): Promise<string> => stage.snapshotAt(machine.paths.standby);
    const freeze = async (machine: Machine, base = stage.newBase()): Promise<SnapshotPaths> => {
      await keeper().freeze(machine, base, noDisks, signal);
      return base;
    };
    /** Returns when the guest has counted past `past`. */
    const counted = async (ref: MachineRef, past: number): Promise<number> => {
      let count = 0;
      await expect
        .poll(async () => (count = await stage.countOf(ref)), { timeout: 60_000, interval: 50 })
        .toBeGreaterThan(past);
      return count;
    };
    const running = async (): Promise<Machine> => {
      const machine = await stage.keptMachine();
      started.push(machine);
      await stage.driver().start(machine, signal);
      await counted(machine, 5);
      return machine;
    };
    const fork = async (source: Machine, base: SnapshotPaths): Promise<Machine> => {
      const made = await stage.forkOf(source);
      await restore(made, { kind: 'base', base });
      return made;
    };

    beforeAll(async () => {
      stage = await open();
    });
    afterEach(async () => {
      for (const machine of started.splice(0)) {
        await stage.driver().kill(machine, signal);
        await stage.discard(machine.paths.standby);
      }
    });
    afterAll(async () => {
      await stage.close();
    });

    test('is among its abilities', async () => {
      expect((await stage.driver().facts(signal)).abilities).toMatchObject({ standby: true, fork: true });
    });

    test('a suspended machine has no VMM, and counts on from where it was, five times over', async () => {
      const machine = await running();
      for (let cycle = 0; cycle < 5; cycle += 1) {
        const before = await counted(machine, 0);
        await suspend(machine);
        expect(await look(machine)).toEqual({ state: 'absent' });
        expect(await stage.vmmsOf(machine)).toBe(0);
        expect(await standbyOf(machine)).toBe('ready');
        await restore(machine);
        expect((await look(machine)).state).toBe('running');
        expect(await standbyOf(machine)).toBe('absent');
        expect(await counted(machine, before)).toBeLessThan(before + 1000);
      }
    });

    test('suspending a suspended machine and restoring a running one changes nothing', async () => {
      const machine = await running();
      await suspend(machine);
      await suspend(machine);
      expect(await standbyOf(machine)).toBe('ready');
      await restore(machine);
      const seen = await look(machine);
      await restore(machine);
      expect(await look(machine)).toEqual(seen);
      expect(await stage.vmmsOf(machine)).toBe(1);
    });

    test('a snapshot that was used is used up', async () => {
      const machine = await running();
      await suspend(machine);
      await restore(machine);
      await stage.driver().kill(machine, signal);
      await expect(restore(machine)).rejects.toMatchObject({ reason: 'SnapshotUnusable' });
      expect(await look(machine)).toEqual({ state: 'absent' });
    });

    test('a machine in standby is not booted over its memory', async () => {
      const machine = await running();
      await suspend(machine);
      await expect(stage.driver().start(machine, signal)).rejects.toMatchObject({ reason: 'InStandby' });
      expect(await standbyOf(machine)).toBe('ready');
      await restore(machine);
    });

    test('a standby given up lets the machine boot from the beginning', async () => {
      const machine = await running();
      const before = await counted(machine, 20);
      await suspend(machine);
      await stage.discard(machine.paths.standby);
      await stage.driver().start(machine, signal);
      await expect.poll(() => stage.countOf(machine), { timeout: 60_000 }).toBeLessThan(before);
    });

    test('a restore that fails leaves the snapshot and no process', async () => {
      const machine = await running();
      const before = await counted(machine, 0);
      await suspend(machine);
      const misfit = { ...machine, vcpus: machine.vcpus + 1 };
      await expect(restore(misfit)).rejects.toMatchObject({ reason: 'SnapshotUnusable' });
      expect(await stage.vmmsOf(machine)).toBe(0);
      expect(await standbyOf(machine)).toBe('ready');
      await restore(machine);
      await counted(machine, before);
    });

    test('a machine that does not run has no memory to keep', async () => {
      const machine = await stage.keptMachine();
      await expect(suspend(machine)).rejects.toMatchObject({ reason: 'CannotSuspend' });
      await expect(freeze(machine)).rejects.toMatchObject({ reason: 'CannotSuspend' });
      await expect(restore(machine)).rejects.toMatchObject({ reason: 'SnapshotUnusable' });
      expect(await standbyOf(machine)).toBe('absent');
    });

    test('another controller restores what an earlier one suspended', async () => {
      const machine = await running();
      const before = await counted(machine, 0);
      await suspend(machine);
      await stage.restartController();
      await restore(machine);
      await counted(machine, before);
    });

    test('a fork of a running machine counts on from there, and its source does, too', async () => {
      const source = await running();
      const before = await counted(source, 0);
      const base = await freeze(source);
      expect((await look(source)).state).toBe('running');
      expect(await standbyOf(source)).toBe('absent');
      const made = await fork(source, base);
      await counted(made, before);
      await counted(source, before);
      expect(await stage.snapshotAt(base)).toBe('ready');
    });

    test('the limit of its disks is what a machine, or a fork, is to go on with, whatever it was before', async () => {
      const limitOf = async (ref: MachineRef): Promise<unknown> => {
        const state = await look(ref);
        return state.state === 'running' ? state.diskBytesPerSecond : state;
      };
      const source = await running();
      if (stage.driver().throttleDisks === undefined) return;
      await stage.driver().throttleDisks?.(source, MIB, signal);
      await suspend(source);
      const limited = { ...source, diskBytesPerSecond: 2 * MIB };
      await restore(limited);
      expect(await limitOf(source)).toBe(2 * MIB);
      const base = await freeze(limited);
      expect(await limitOf(source)).toBe(2 * MIB);
      const made = { ...(await stage.forkOf(source)), diskBytesPerSecond: 3 * MIB };
      await restore(made, { kind: 'base', base });
      expect([await limitOf(made), await limitOf(source)]).toEqual([3 * MIB, 2 * MIB]);
    });

    test('forks of a suspended machine leave it where it is', async () => {
      const source = await running();
      const before = await counted(source, 0);
      await suspend(source);
      const base = await freeze(source);
      expect(await look(source)).toEqual({ state: 'absent' });
      expect(await standbyOf(source)).toBe('ready');
      for (const made of [await fork(source, base), await fork(source, base)]) await counted(made, before);
      await restore(source);
      await counted(source, before);
    });

    test('a fork outlives its source and the base it came from', async () => {
      const source = await running();
      const before = await counted(source, 0);
      const base = await freeze(source);
      const made = await fork(source, base);
      await stage.driver().kill(source, signal);
      await stage.discard(base);
      const later = await counted(made, before);
      await suspend(made);
      await restore(made);
      await counted(made, later);
    });

    test('forks of forks, and standby in every generation', async () => {
      let source = await running();
      let before = await counted(source, 0);
      for (let generation = 0; generation < 3; generation += 1) {
        const base = await freeze(source);
        source = await fork(source, base);
        await stage.discard(base);
        before = await counted(source, before);
        await suspend(source);
        await restore(source);
        before = await counted(source, before);
      }
    });

    test('a running machine can be frozen again and again', async () => {
      const source = await running();
      let before = await counted(source, 0);
      for (let times = 0; times < 3; times += 1) {
        const base = await freeze(source);
        before = await counted(source, before);
        await counted(await fork(source, base), 0);
      }
    });

    test('a freezing that fails leaves the machine running and no base', async () => {
      const source = await running();
      const base = stage.newBase();
      const fail = (): Promise<never> => Promise.reject(new Error('no room'));
      const onPaused = (): never => {
        throw new Error('no room');
      };
      const ways = [
        { copyDisks: fail },
        { copyDisks: fail },
        { ...noDisks, onReady: fail },
        { ...noDisks, onPaused },
      ];
      for (const failing of ways) {
        const before = await counted(source, 0);
        await expect(keeper().freeze(source, base, failing, signal)).rejects.toThrow('no room');
        expect(await stage.snapshotAt(base)).toBe('absent');
        expect((await look(source)).state).toBe('running');
        await counted(source, before);
      }
    });
  });
}
