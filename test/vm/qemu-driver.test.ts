import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openQemuDriver } from '../../src/drivers/qemu/driver.ts';
import { launchVmm } from '../../src/drivers/qemu/launch.ts';
import { findQemu } from '../../src/drivers/qemu/program.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { readIfThere } from '../../src/host/files.ts';
import { ensureOwnedDirectory, ensureOwnedFile } from '../../src/host/owned-files.ts';
import { identityOf, isAlive } from '../../src/host/processes.ts';
import { tapNameFor } from '../../src/machine/ids.ts';
import { SHARED_GID } from '../../src/machine/owner.ts';
import type { Machine, MachineState } from '../../src/machine/machine.ts';
import { describeDriver } from '../conformance/driver-suite.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { QemuStage } from '../support/qemu-stage.ts';

describeDriver('qemu', openQemuStage);

describe('a VMM of QEMU', () => {
  const signal = new AbortController().signal;
  let stage: QemuStage;
  const running: Machine[] = [];
  const start = async (machine: Machine): Promise<void> => {
    running.push(machine);
    await stage.driver().start(machine, signal);
  };
  const look = (machine: Machine): Promise<MachineState> => stage.driver().observe(machine, signal);
  const pidOf = async (machine: Machine): Promise<number> => (await stage.pidsOf(machine))[0] ?? 0;

  beforeAll(async () => {
    stage = await openQemuStage();
  });
  afterEach(async () => {
    for (const machine of running.splice(0)) await stage.driver().kill(machine, signal);
  });
  afterAll(async () => {
    await stage.close();
  });

  test('runs as its own user, without a capability, a core file or a way to gain more', async () => {
    const machine = await stage.machine();
    await start(machine);
    const pid = await pidOf(machine);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const { uid, gid, sharedGid } = machine.owner;
    expect(status).toMatch(new RegExp(`^Uid:\t${[uid, uid, uid, uid].join('\t')}$`, 'm'));
    expect(status).toMatch(new RegExp(`^Gid:\t${[gid, gid, gid, gid].join('\t')}$`, 'm'));
    expect(status).toMatch(new RegExp(`^Groups:\t${sharedGid} $`, 'm'));
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    expect(await readFile(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m);
    expect((await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').sort()).toEqual([
      ...['', 'LC_ALL=C', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    ]);
  });

  test('boots its kernel and says so in the console log, which every start adds to', async () => {
    const machine = await stage.machine();
    for (const times of [1, 2]) {
      await start(machine);
      await expect
        .poll(
          async () => (await readFile(machine.paths.consoleLog, 'utf8')).split('the guest is up').length - 1,
          {
            ...{ timeout: 60_000, interval: 100 },
          },
        )
        .toBe(times);
      await stage.driver().kill(machine, signal);
    }
  });

  test('is found by a controller whose predecessor died before it wrote down what it had started', async () => {
    const machine = await stage.machine();
    await start(machine);
    const before = await look(machine);
    await rm(machine.paths.vmmIdentity);
    await stage.restartController();
    expect(await look(machine)).toEqual(before);
    await start(machine);
    expect(await stage.vmmsOf(machine)).toBe(1);
    expect(await readFile(machine.paths.vmmIdentity, 'utf8')).toContain(`"pid":${await pidOf(machine)}`);
  });

  test('that waits since its controller died is created, and a start lets it run', async () => {
    const machine = await stage.machine();
    running.push(machine);
    const found = await findQemu('qemu-system-x86_64', signal);
    const listener = { changed: () => undefined, closed: () => undefined };
    const launch = {
      machine,
      facts: { ...found, accelerator: 'tcg' as const },
      bootId: stage.bootId,
      listener,
    };
    const { session } = await launchVmm(launch, signal);
    session.letGo();
    await stage.restartController();
    expect(await look(machine)).toEqual({ state: 'created', process: session.identity });
    await start(machine);
    expect(await look(machine)).toMatchObject({ state: 'running', process: session.identity });
  });

  test('is not mistaken for a stranger that has its recorded pid', async () => {
    const machine = await stage.machine();
    await start(machine);
    await stage.driver().kill(machine, signal);
    const own = await identityOf(process.pid, stage.bootId);
    if (own === undefined) throw new Error('this process does not find itself');
    await writeFile(machine.paths.vmmIdentity, JSON.stringify({ ...own, startTime: own.startTime + 1 }));
    await stage.restartController();
    expect(await look(machine)).toEqual({ state: 'absent' });
    await stage.driver().kill(machine, signal);
    expect(await isAlive(own, stage.bootId)).toBe(true);
  });

  test('of an earlier boot of the host is gone, whatever runs under its pid', async () => {
    const machine = await stage.machine();
    await start(machine);
    await stage.driver().kill(machine, signal);
    const own = await identityOf(process.pid, stage.bootId);
    await writeFile(machine.paths.vmmIdentity, JSON.stringify({ ...own, bootId: 'an-earlier-boot' }));
    await stage.restartController();
    expect(await look(machine)).toEqual({ state: 'absent' });
    expect(await stage.tracesOf(machine)).toEqual([]);
  });

  test('starts over the stale sockets of one that died', async () => {
    const machine = await stage.machine();
    await start(machine);
    await stage.restartController();
    await stage.killFromOutside(machine);
    await start(machine);
    expect((await look(machine)).state).toBe('running');
    expect(await stage.vmmsOf(machine)).toBe(1);
  });

  test('does not start where a stranger answers on its socket', async () => {
    const machine = await stage.machine();
    const { uid, gid } = machine.owner;
    await ensureOwnedDirectory(machine.paths.runDirectory, { uid, gid, mode: 0o750 });
    const stranger = createServer((socket) => socket.resume());
    stranger.listen(machine.paths.controlSocket);
    const listener = { changed: () => undefined, closed: () => undefined };
    const found = await findQemu('qemu-system-x86_64', signal);
    const launch = {
      machine,
      facts: { ...found, accelerator: 'tcg' as const },
      bootId: stage.bootId,
      listener,
    };
    await expect(launchVmm(launch, signal)).rejects.toMatchObject({ reason: 'SocketInUse' });
    expect(await stage.vmmsOf(machine)).toBe(0);
    stranger.close();
  });

  test('has its disks, limited and read-only too, and shuts a second writer out', async () => {
    const disk = `${stage.base}/disk.img`;
    const image = `${stage.base}/image.img`;
    const first = await stage.machine();
    for (const path of [disk, image]) {
      await ensureOwnedFile(path, { uid: first.owner.uid, gid: first.owner.gid, mode: 0o666 });
      await truncate(path, 1024 * 1024);
    }
    const disks = [
      { serial: 'root', path: image, readonly: true },
      { serial: 'overlay', path: disk, readonly: false },
    ];
    await start({ ...first, disks, diskBytesPerSecond: 1024 * 1024 });
    const second = await stage.machineWith({ disks });
    await expect(stage.driver().start(second, signal)).rejects.toMatchObject({ reason: 'DiskInUse' });
    expect(await stage.tracesOf(second)).toEqual([]);
    const reader = await stage.machineWith({ disks: disks.slice(0, 1) });
    await start(reader);
    expect((await look(reader)).state).toBe('running');
  });

  test('has the network device that was made for its user, and says when there is none', async () => {
    const machine = await stage.machine();
    const tap = tapNameFor(machine.id, 'test');
    const withNic = { ...machine, nic: { tap, mac: '02:00:0a:64:00:02' } };
    await expect(stage.driver().start(withNic, signal)).rejects.toMatchObject({ reason: 'TapUnavailable' });
    await commandOutput('ip', [
      'tuntap',
      'add',
      'dev',
      tap,
      'mode',
      'tap',
      'user',
      String(machine.owner.uid),
    ]);
    try {
      await start(withNic);
      expect((await look(machine)).state).toBe('running');
      await stage.driver().kill(machine, signal);
    } finally {
      await commandOutput('ip', ['tuntap', 'del', 'dev', tap, 'mode', 'tap']);
    }
  });

  test('that cannot start names the cause in words that help', async () => {
    const none = `${stage.base}/none.img`;
    const cases: readonly [Partial<Machine>, string][] = [
      [{ disks: [{ serial: 'root', path: none, readonly: true }] }, 'FileMissing'],
      [{ initrd: [`${stage.base}/none.cpio`] }, 'FileMissing'],
      [{ memoryBytes: 2 ** 50 }, 'InsufficientMemory'],
    ];
    await writeFile(`${stage.base}/secret.img`, 'x'.repeat(512), { mode: 0o600 });
    const closed = [{ serial: 'root', path: `${stage.base}/secret.img`, readonly: true }];
    for (const [parts, reason] of [...cases, [{ disks: closed }, 'FileNotAccessible'] as const]) {
      const machine = await stage.machineWith(parts);
      await expect(stage.driver().start(machine, signal)).rejects.toMatchObject({ reason });
      expect(await stage.tracesOf(machine)).toEqual([]);
    }
  });

  test('that hangs at its start ends with the controller that waits for it', async () => {
    const machine = await stage.machine();
    const program = `${stage.base}/hanging-qemu`;
    const script = '#!/bin/sh\n[ "$1" = --version ] && echo "version 9.1.0" && exit\nexec sleep 600\n';
    await writeFile(program, script, { mode: 0o755 });
    const driver = openQemuDriver({
      ...{ bootId: stage.bootId, onChange: () => undefined, accelerator: 'tcg', sharedGid: SHARED_GID },
      ...{ acceleratorCache: '', kernelPath: () => Promise.resolve(undefined), program },
    });
    const given = new AbortController();
    const starting = driver.start(machine, given.signal);
    const refused = expect(starting).rejects.toMatchObject({ reason: 'Cancelled' });
    const record = (): Promise<string | undefined> => readIfThere(machine.paths.vmmIdentity);
    await expect.poll(record, { interval: 5 }).toContain('"pid"');
    const { pid } = JSON.parse((await record()) ?? '') as { pid: number };
    given.abort();
    await refused;
    expect(await identityOf(pid, stage.bootId)).toBeUndefined();
    expect(await stage.tracesOf(machine)).toEqual([]);
  });
});
