import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MemoryKeeper } from '../../src/machine/driver.ts';
import { pluggedBytes } from '../../src/machine/hotplug.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { SnapshotPaths } from '../../src/machine/snapshot-paths.ts';
import type { MemoryStage } from './memory-suite.ts';

/** What the suite of growth needs beside what that of memory does. */
export type GrowthStage = MemoryStage & {
  /** A kept machine with room for four sections more. */
  roomyMachine(): Promise<Machine>;
};

const SECTION = 128 * 1024 ** 2;

/** What every driver promises that adds memory to machines that run. */
export function describeGrowth(name: string, open: () => Promise<GrowthStage>): void {
  describe(`memory added by the ${name} driver`, () => {
    let stage: GrowthStage;
    const started: Machine[] = [];
    const signal = new AbortController().signal;
    const keeper = (): MemoryKeeper => {
      const { memory } = stage.driver();
      if (memory === undefined) throw new Error('this driver keeps no memory');
      return memory;
    };
    /** The machine with so many sections more than it was started with. */
    const grow = async (machine: Machine, sections: number): Promise<Machine> => {
      const bytes = machine.memoryBytes + sections * SECTION;
      await stage.driver().growMemory?.(machine, bytes, signal);
      return asSeen(machine);
    };
    const asSeen = async (machine: Machine): Promise<Machine> => {
      const seen = await stage.driver().observe(machine, signal);
      if (seen.state !== 'running') throw new Error(`${machine.id} is ${seen.state}`);
      return { ...machine, hotplug: { bytes: 4 * SECTION, dimms: seen.dimms ?? [] } };
    };
    const sectionsOf = (machine: Machine): number => pluggedBytes(machine.hotplug?.dimms ?? []) / SECTION;
    const counted = async (machine: Machine, past: number): Promise<void> => {
      await expect
        .poll(() => stage.countOf(machine), { timeout: 60_000, interval: 50 })
        .toBeGreaterThan(past);
    };
    const running = async (): Promise<Machine> => {
      const machine = await stage.roomyMachine();
      started.push(machine);
      await stage.driver().start(machine, signal);
      await counted(machine, 5);
      return machine;
    };
    const standbyAndBack = async (machine: Machine): Promise<Machine> => {
      const before = await stage.countOf(machine);
      await keeper().suspend(machine, signal);
      await keeper().restore(machine, { kind: 'standby' }, signal);
      await counted(machine, before);
      return asSeen(machine);
    };
    const fork = async (source: Machine, base: SnapshotPaths): Promise<Machine> => {
      const made = await stage.forkOf(source);
      started.push(made);
      await keeper().restore(made, { kind: 'base', base }, signal);
      return asSeen(made);
    };
    const freeze = async (machine: Machine): Promise<SnapshotPaths> => {
      const base = stage.newBase();
      await keeper().freeze(machine, base, { copyDisks: () => Promise.resolve() }, signal);
      return base;
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
      expect((await stage.driver().facts(signal)).abilities).toMatchObject({ memoryHotplug: true });
    });

    test('is plugged into the machine that runs, once however often it is asked for', async () => {
      const machine = await running();
      const before = await stage.countOf(machine);
      expect(sectionsOf(await grow(machine, 1))).toBe(1);
      expect(sectionsOf(await grow(machine, 1))).toBe(1);
      expect((await grow(machine, 4)).hotplug?.dimms.map(({ bytes }) => bytes)).toEqual([
        SECTION,
        3 * SECTION,
      ]);
      expect(await stage.vmmsOf(machine)).toBe(1);
      await counted(machine, before);
    });

    test('is seen by the controller that comes next', async () => {
      const grown = await grow(await running(), 2);
      await stage.restartController();
      expect(await asSeen(grown)).toEqual(grown);
    });

    test('is refused beyond the room there is, and to what does not run, and nothing changes', async () => {
      const machine = await running();
      await expect(grow(machine, 5)).rejects.toMatchObject({ fate: 'transient' });
      expect(sectionsOf(await asSeen(machine))).toBe(0);
      expect(sectionsOf(await grow(machine, 4))).toBe(4);
      await stage.driver().kill(machine, signal);
      await expect(grow(machine, 4)).rejects.toMatchObject({ reason: 'CannotGrow' });
      expect(await stage.driver().observe(machine, signal)).toEqual({ state: 'absent' });
    });

    test('goes to standby and back with the rest, and more is added after it', async () => {
      const grown = await grow(await running(), 1);
      const back = await standbyAndBack(grown);
      expect(back).toEqual(grown);
      const more = await grow(back, 3);
      expect(sectionsOf(more)).toBe(3);
      expect(await standbyAndBack(more)).toEqual(more);
    });

    test('has to be named when its machine is suspended or restored', async () => {
      const machine = await running();
      const grown = await grow(machine, 1);
      await expect(keeper().suspend(machine, signal)).rejects.toMatchObject({ reason: 'CannotSuspend' });
      await keeper().suspend(grown, signal);
      const restoring = keeper().restore(machine, { kind: 'standby' }, signal);
      await expect(restoring).rejects.toMatchObject({ reason: 'SnapshotUnusable' });
      await keeper().restore(grown, { kind: 'standby' }, signal);
    });

    test('is gone at the next start', async () => {
      const machine = await running();
      await grow(machine, 2);
      await stage.driver().kill(machine, signal);
      await stage.driver().start(machine, signal);
      expect(sectionsOf(await asSeen(machine))).toBe(0);
    });

    test('is shared by forks, each of which grows on its own and is forked with that', async () => {
      const source = await grow(await running(), 1);
      const before = await stage.countOf(source);
      const first = await fork(source, await freeze(source));
      expect(sectionsOf(first)).toBe(1);
      const grown = await grow(first, 2);
      await counted(grown, before);
      const second = await fork(grown, await freeze(grown));
      expect(sectionsOf(second)).toBe(2);
      for (const each of [await asSeen(source), await asSeen(grown), second]) {
        await counted(each, before);
        await standbyAndBack(each);
      }
      expect(sectionsOf(await asSeen(source))).toBe(1);
    });
  });
}
