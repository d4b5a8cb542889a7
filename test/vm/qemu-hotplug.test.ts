import { readFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { QmpConnection } from '../../src/drivers/qemu/qmp.ts';
import { freeBytesAt } from '../../src/host/disk-space.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { ensureOwnedFile } from '../../src/host/owned-files.ts';
import { connectUnix } from '../../src/host/unix-socket.ts';
import type { MemoryKeeper } from '../../src/machine/driver.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { describeGrowth } from '../conformance/growth-suite.ts';
import { withFilesystem } from '../support/loop-filesystem.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { QemuStage } from '../support/qemu-stage.ts';

describeGrowth('qemu', openQemuStage);

const QUIET = { event: () => undefined, closed: () => undefined };

describe('memory added to a QEMU machine', () => {
  const MIB = 1024 ** 2;
  const signal = new AbortController().signal;
  const HOARDS = 'console=ttyS0 panic=1 quiet memhp_default_state=online swiotlb=1024 guest=hoards';
  let stage: QemuStage;
  const used: Machine[] = [];
  const keeper = (): MemoryKeeper => {
    const { memory } = stage.driver();
    if (memory === undefined) throw new Error('this driver keeps no memory');
    return memory;
  };
  const consoleOf = ({ paths }: Machine): Promise<string> => readFile(paths.consoleLog, 'utf8');
  const start = async (machine: Machine): Promise<Machine> => {
    used.push(machine);
    await stage.driver().start(machine, signal);
    await counts(machine, 2);
    return machine;
  };
  const counts = async (machine: Machine, rounds: number): Promise<void> => {
    const before = await stage.countOf(machine);
    await expect
      .poll(() => stage.countOf(machine), { timeout: 120_000, interval: 50 })
      .toBeGreaterThanOrEqual(before + rounds);
    expect(await consoleOf(machine)).not.toContain('spoiled');
  };
  const grow = async (machine: Machine, mib: number): Promise<Machine> => {
    await stage.driver().growMemory?.(machine, mib * MIB, signal);
    const seen = await stage.driver().observe(machine, signal);
    const dimms = seen.state === 'running' ? (seen.dimms ?? []) : [];
    return { ...machine, hotplug: { bytes: 512 * MIB, dimms } };
  };
  const suspendAndRestore = async (machine: Machine): Promise<void> => {
    await keeper().suspend(machine, signal);
    await keeper().restore(machine, { kind: 'standby' }, signal);
    await counts(machine, 2);
  };
  /** In MiB: how much the guest has written and found again in its last round. */
  const hoardOf = async (machine: Machine): Promise<number> =>
    32 * Number(/.*hoarded (\d+)\r?\n/s.exec(await consoleOf(machine))?.[1] ?? 0);
  const hoarded = (machine: Machine, mib: number): Promise<void> =>
    expect.poll(() => hoardOf(machine), { timeout: 180_000, interval: 200 }).toBeGreaterThanOrEqual(mib);

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
    const machine = await start(await stage.roomyMachine());
    const grown = await grow(machine, 384);
    const file = `${machine.paths.memory}.0`;
    const { uid, mode, size, blocks } = await stat(file);
    expect({ uid, mode: mode & 0o777, size }).toEqual({
      uid: machine.owner.uid,
      mode: 0o600,
      size: 128 * MIB,
    });
    expect(blocks * 512).toBeLessThan(128 * MIB);
    await keeper().suspend(grown, signal);
    expect(await stage.tracesOf(machine)).toEqual(['standby']);
    expect(await readdir(machine.paths.standby.directory)).toContain('memory.img.0');
    await keeper().restore(grown, { kind: 'standby' }, signal);
    await stage.driver().kill(machine, signal);
    expect(await stage.tracesOf(machine)).toEqual([]);
  });

  test(
    'holds what the guest wrote to it, through standby and forks, in every generation',
    { timeout: 400_000 },
    async () => {
      const source = await start(
        await stage.machineWith({ ...(await stage.roomyMachine()), cmdline: HOARDS, memoryBytes: 192 * MIB }),
      );
      const grown = await grow(source, 320);
      await hoarded(grown, 160);
      await suspendAndRestore(grown);
      const base = stage.newBase();
      await keeper().freeze(grown, base, { copyDisks: () => Promise.resolve() }, signal);
      const made = await stage.forkOf(grown);
      used.push(made);
      await keeper().restore(made, { kind: 'base', base }, signal);
      await counts(made, 2);
      const fork = await grow(made, 448);
      await hoarded(fork, 256);
      const before = await commandOutput('sha256sum', [base.memory, `${base.memory}.0`]);
      await suspendAndRestore(fork);
      await counts(grown, 2);
      expect(await commandOutput('sha256sum', [base.memory, `${base.memory}.0`])).toBe(before);
      expect(await stage.snapshotAt(base)).toBe('ready');
    },
  );

  test('of which a controller that died left half is plugged in whole, and once', async () => {
    const machine = await start(await stage.roomyMachine());
    await stage.driver().close();
    const path = `${machine.paths.memory}.0`;
    await ensureOwnedFile(path, { uid: machine.owner.uid, gid: machine.owner.gid, mode: 0o600 });
    await truncate(path, 256 * MIB);
    const qmp = new QmpConnection(await connectUnix(machine.paths.controlSocket), QUIET);
    await qmp.ready;
    const half = {
      'qom-type': 'memory-backend-file',
      id: 'dimmram0',
      'mem-path': path,
      size: 256 * MIB,
      share: true,
    };
    await qmp.execute('object-add', half);
    qmp.close();
    await stage.restartController();
    const { hotplug } = await grow(machine, 384);
    expect(hotplug?.dimms).toMatchObject([{ slot: 0, bytes: 128 * MIB }]);
    expect((await stat(path)).size).toBe(128 * MIB);
    await suspendAndRestore(await grow(machine, 512));
  });

  test('finds no room on a disk that is nearly full, and the machine runs on as it was', async () => {
    await withFilesystem('ext4', stage.base, async (mounted) => {
      await commandOutput('chmod', ['711', mounted]);
      const kept = await stage.keptMachineIn(mounted);
      const machine = await start({ ...kept, hotplug: { bytes: 512 * MIB, dimms: [] } });
      try {
        // Room for what the guest still touches of its own.
        const ballast = (await freeBytesAt(mounted)) - 100 * MIB;
        await commandOutput('fallocate', ['-l', `${ballast}`, `${mounted}/ballast`]);
        await expect(grow(machine, 384)).rejects.toMatchObject({ reason: 'DiskFull' });
        expect(await stage.driver().observe(machine, signal)).not.toHaveProperty('dimms');
        expect(await readdir(machine.paths.directory)).not.toContain('memory.img.0');
        await counts(machine, 2);
        await rm(`${mounted}/ballast`);
        expect((await grow(machine, 384)).hotplug?.dimms).toHaveLength(1);
      } finally {
        await stage.driver().kill(machine, signal);
      }
    });
  });
});
