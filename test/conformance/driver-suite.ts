import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Driver, MachineRef } from '../../src/machine/driver.ts';
import type { InstanceId } from '../../src/machine/ids.ts';
import type { Machine, MachineState } from '../../src/machine/machine.ts';

/** What the suite needs of a hypervisor's surroundings, beside the driver. */
export type DriverStage = {
  /** Of the controller that runs now. */
  driver(): Driver;
  /** A machine that was never started. A guest that `powers-off` does so when it is up. */
  machine(guest?: 'idles' | 'powers-off'): Promise<Machine>;
  /** One that this hypervisor refuses to start. */
  impossibleMachine(): Promise<Machine>;
  /** The controller ends and another one takes its place. */
  restartController(): Promise<void>;
  /** Machines that changed, as told to the controller that runs now. */
  readonly told: InstanceId[];
  vmmsOf(ref: MachineRef): Promise<number>;
  /** What VMMs of this machine left lying about: sockets, records. Logs do not count. */
  tracesOf(ref: MachineRef): Promise<readonly string[]>;
  killFromOutside(ref: MachineRef): Promise<void>;
  freeze(ref: MachineRef): Promise<void>;
  thaw(ref: MachineRef): Promise<void>;
  /** Ends every machine and removes everything. */
  close(): Promise<void>;
};

/** What every driver promises, told by real machines where there are some. */
export function describeDriver(name: string, open: () => Promise<DriverStage>): void {
  describe(`the ${name} driver`, () => {
    let stage: DriverStage;
    const signal = new AbortController().signal;
    const look = (ref: MachineRef): Promise<MachineState> => stage.driver().observe(ref, signal);
    const start = (machine: Machine): Promise<void> => stage.driver().start(machine, signal);
    const kill = (ref: MachineRef): Promise<void> => stage.driver().kill(ref, signal);
    const until = async (ref: MachineRef, wanted: MachineState['state']): Promise<MachineState> => {
      await expect.poll(async () => (await look(ref)).state, { timeout: 60_000, interval: 50 }).toBe(wanted);
      return look(ref);
    };

    beforeAll(async () => {
      stage = await open();
    });
    beforeEach(() => {
      stage.told.length = 0;
    });
    afterAll(async () => {
      await stage.close();
    });

    test('says what it is and that nothing is missing', async () => {
      const facts = await stage.driver().facts(signal);
      expect(facts.problem).toBeUndefined();
      expect(facts.version).not.toBe('');
    });

    test('a machine that was never started is absent', async () => {
      expect(await look(await stage.machine())).toEqual({ state: 'absent' });
    });

    test('killing an absent machine changes nothing', async () => {
      const machine = await stage.machine();
      await kill(machine);
      await kill(machine);
      expect(await look(machine)).toEqual({ state: 'absent' });
      expect(await stage.tracesOf(machine)).toEqual([]);
    });

    test('the power button of an absent machine is nobody’s', async () => {
      const machine = await stage.machine();
      await stage.driver().pressPowerButton(machine, signal);
      expect(await look(machine)).toEqual({ state: 'absent' });
    });

    test('a started machine runs, and starting it again leaves the one there is', async () => {
      const machine = await stage.machine();
      await start(machine);
      const first = await look(machine);
      expect(first.state).toBe('running');
      await start(machine);
      expect(await look(machine)).toEqual(first);
      expect(await stage.vmmsOf(machine)).toBe(1);
      await kill(machine);
      expect(await stage.vmmsOf(machine)).toBe(0);
    });

    test('two starts at once leave one machine', async () => {
      const machine = await stage.machine();
      await Promise.all([start(machine), start(machine)]);
      expect(await stage.vmmsOf(machine)).toBe(1);
      await kill(machine);
    });

    test('the limit of its disks is what it was started with, until it is set anew', async () => {
      const machine = { ...(await stage.machine()), diskBytesPerSecond: 1024 * 1024 };
      const limit = async (): Promise<unknown> => {
        const state = await look(machine);
        return state.state === 'running' ? state.diskBytesPerSecond : state;
      };
      await start(machine);
      if (stage.driver().throttleDisks === undefined) return;
      expect(await limit()).toBe(1024 * 1024);
      await stage.driver().throttleDisks?.(machine, 2 * 1024 * 1024, signal);
      expect(await limit()).toBe(2 * 1024 * 1024);
      await stage.restartController();
      expect(await limit()).toBe(2 * 1024 * 1024);
      await stage.driver().throttleDisks?.(machine, 0, signal);
      expect(await limit()).toBe(0);
      await kill(machine);
      await expect(stage.driver().throttleDisks?.(machine, 1, signal)).rejects.toMatchObject({
        reason: 'CannotThrottle',
      });
    });

    test('a killed machine is absent, without a reason of its own and without a trace', async () => {
      const machine = await stage.machine();
      await start(machine);
      await kill(machine);
      expect(await look(machine)).toEqual({ state: 'absent' });
      expect(await stage.vmmsOf(machine)).toBe(0);
      expect(await stage.tracesOf(machine)).toEqual([]);
    });

    test('a machine can be started again after it was killed', async () => {
      const machine = await stage.machine();
      await start(machine);
      const first = await look(machine);
      await kill(machine);
      await start(machine);
      const second = await look(machine);
      expect(second.state).toBe('running');
      expect(second).not.toEqual(first);
      await kill(machine);
    });

    test('another controller finds the same machine', async () => {
      const machine = await stage.machine();
      await start(machine);
      const before = await look(machine);
      await stage.restartController();
      expect(await look(machine)).toEqual(before);
      await start(machine);
      expect(await stage.vmmsOf(machine)).toBe(1);
      await kill(machine);
      expect(await look(machine)).toEqual({ state: 'absent' });
    });

    test('a machine killed from outside is told of and absent, and nothing of it is left', async () => {
      const machine = await stage.machine();
      await start(machine);
      stage.told.length = 0;
      await stage.killFromOutside(machine);
      await expect.poll(() => stage.told, { timeout: 10_000 }).toContain(machine.id);
      expect(await look(machine)).toEqual({ state: 'absent' });
      expect(await stage.tracesOf(machine)).toEqual([]);
    });

    test('an adopted machine killed from outside is told of, too', async () => {
      const machine = await stage.machine();
      await start(machine);
      await stage.restartController();
      await look(machine);
      stage.told.length = 0;
      await stage.killFromOutside(machine);
      await expect.poll(() => stage.told, { timeout: 10_000 }).toContain(machine.id);
      expect(await look(machine)).toEqual({ state: 'absent' });
    });

    test('a frozen machine is unknown, runs on when it thaws, and is never started twice', async () => {
      const machine = await stage.machine();
      await start(machine);
      await stage.freeze(machine);
      const seen = await look(machine);
      expect(seen).toMatchObject({ state: 'unknown' });
      await expect(start(machine)).rejects.toMatchObject({ fate: 'transient', reason: 'MachineUnreachable' });
      expect(await stage.vmmsOf(machine)).toBe(1);
      await stage.thaw(machine);
      await until(machine, 'running');
      await kill(machine);
    });

    test('a frozen machine can be killed', async () => {
      const machine = await stage.machine();
      await start(machine);
      await stage.freeze(machine);
      await kill(machine);
      expect(await stage.vmmsOf(machine)).toBe(0);
      expect(await look(machine)).toEqual({ state: 'absent' });
    });

    test('a frozen machine of an earlier controller is unknown and can be killed', async () => {
      const machine = await stage.machine();
      await start(machine);
      await stage.freeze(machine);
      await stage.restartController();
      expect(await look(machine)).toMatchObject({ state: 'unknown' });
      await kill(machine);
      expect(await stage.vmmsOf(machine)).toBe(0);
    });

    test('a guest that powers off ends its machine, and the reason is kept until the next start', async () => {
      const machine = await stage.machine('powers-off');
      await start(machine);
      const seen = await until(machine, 'absent');
      expect(seen).toEqual({ state: 'absent', ended: 'guest-shutdown' });
      expect(stage.told).toContain(machine.id);
      expect(await stage.tracesOf(machine)).toEqual([]);
      await kill(machine);
      expect(await look(machine)).toEqual({ state: 'absent' });
    });

    test('a start that fails says why and leaves neither process nor sockets', async () => {
      const machine = await stage.impossibleMachine();
      await expect(start(machine)).rejects.toMatchObject({ name: 'HypemanError', fate: 'transient' });
      expect(await stage.vmmsOf(machine)).toBe(0);
      expect(await stage.tracesOf(machine)).toEqual([]);
      expect(await look(machine)).toEqual({ state: 'absent' });
    });
  });
}
