import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openGuestStage, textOf } from '../support/guest-vm.ts';
import type { GuestStage, GuestVm, GuestWish } from '../support/guest-vm.ts';

let stage: GuestStage;
beforeAll(async () => {
  stage = await openGuestStage();
});
afterAll(async () => {
  await stage.close();
});

const sh = (script: string): readonly string[] => ['sh', '-c', script];

/** Boots, waits for the end, and gives how it ended. */
async function exitOf(wish: GuestWish): Promise<{ readonly code?: number; readonly message: string }> {
  const vm = await stage.boot(wish);
  const { exit } = await vm.until('exited');
  await vm.kill();
  return exit;
}

describe('a running guest', () => {
  let vm: GuestVm;
  beforeAll(async () => {
    vm = await stage.boot({
      argv: sh('echo the program speaks; while :; do sleep 1000; done'),
      env: { PORT: '8080' },
      user: 'ann',
      workdir: '/srv/made/for/it',
      network: { ip: '10.100.0.5', gateway: '10.100.0.1', mac: '52:54:00:12:34:56' },
    });
    await vm.until('started');
  });
  afterAll(async () => {
    await vm.kill();
  });

  test('tells that its program has started, and the console holds the program’s words and no others', async () => {
    expect(vm.look()).toMatchObject({ state: 'started', agentReady: true });
    // The program is there before its first word is.
    while ((await vm.console()) === '') await sleep(20);
    expect(await vm.console()).toBe('the program speaks\n');
  });

  test('runs commands with their own output, input and exit code', async () => {
    expect(await vm.run(sh('cat; echo oops >&2; exit 3'), 'typed')).toEqual({
      code: 3,
      stdout: 'typed',
      stderr: 'oops\n',
    });
    expect(await vm.run(['nowhere'])).toMatchObject({ code: 127 });
    expect(await vm.run(['/etc/plain.txt'])).toMatchObject({ code: 126 });
    expect(await vm.run(sh('kill -9 $$'))).toMatchObject({ code: 137 });
  });

  test('runs as the user with its groups, in its directory, with the environment of image and instance', async () => {
    const { stdout } = await vm.run(
      sh('id; pwd; echo $FROM_IMAGE $PORT $HOME; hostname; cat /etc/resolv.conf'),
    );
    expect(stdout).toBe(
      'uid=1000(ann) gid=1001(ann) groups=50(staff)\n/srv/made/for/it\nyes 8080 /home/ann\ntestguest\nnameserver 10.100.0.1\n',
    );
  });

  test('has its address alone, and the gateway on the link', async () => {
    const { stdout } = await vm.run(sh('ip -4 -o addr show eth0; ip route'));
    expect(stdout).toContain('inet 10.100.0.5/32');
    expect(stdout).toContain('default via 10.100.0.1 dev eth0');
    expect(stdout).toContain('10.100.0.1 dev eth0 scope link');
  });

  test('gives a terminal of the wanted size, and changes it', async () => {
    const request = { argv: ['sh'], env: {}, terminal: { columns: 100, rows: 30 } };
    const session = await vm.links.exec(vm.id, request);
    session.stdin.write('stty size; test -t 0 && echo a"  "terminal\n');
    await sleep(1500);
    session.resize(120, 40);
    session.stdin.write('stty size; exit 4\n');
    const [seen, code] = await Promise.all([textOf(session.stdout), session.exitCode]);
    expect(code).toBe(4);
    expect(seen).toContain('30 100');
    expect(seen).toContain('a  terminal');
    expect(seen).toContain('40 120');
  });

  test('passes signals on to a command', async () => {
    const session = await vm.links.exec(vm.id, {
      argv: sh('trap "exit 9" HUP; echo ready; while :; do sleep 0.1; done'),
      env: {},
    });
    const ready = new Promise((resolve) => session.stdout.once('data', resolve));
    await ready;
    session.kill(1);
    expect(await session.exitCode).toBe(9);
  });

  test('carries megabytes through a command in both directions, to a reader that takes its time', async () => {
    const session = await vm.links.exec(vm.id, { argv: ['cat'], env: {} });
    const sent = randomBytes(2_000_000);
    const hash = createHash('sha256').update(sent).digest('hex');
    Readable.from([sent]).pipe(session.stdin);
    await sleep(500);
    const got = createHash('sha256');
    for await (const part of session.stdout) got.update(part as Buffer);
    expect(got.digest('hex')).toBe(hash);
    expect(await session.exitCode).toBe(0);
  });

  test('takes a file of 20 MB, shows it whole with its mode, and gives it back', async () => {
    const content = randomBytes(20_000_000);
    const parts = Array.from({ length: 200 }, (_, at) => content.subarray(at * 100_000, (at + 1) * 100_000));
    await vm.links.write(vm.id, '/root/big', 0o640, Readable.from(parts));
    expect(await vm.links.stat(vm.id, '/root/big')).toMatchObject({
      kind: 'file',
      mode: 0o640,
      size: 20_000_000,
    });
    const got = createHash('sha256');
    for await (const part of await vm.links.read(vm.id, '/root/big')) got.update(part as Buffer);
    expect(got.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'));
  });

  test('says what is there and what is not', async () => {
    expect(await vm.links.stat(vm.id, '/nowhere')).toBeUndefined();
    expect(await vm.links.stat(vm.id, '/bin')).toMatchObject({ kind: 'directory' });
    expect(await vm.links.stat(vm.id, '/bin/sh')).toMatchObject({ kind: 'symlink' });
    await expect(vm.links.read(vm.id, '/nowhere')).rejects.toThrow(/No such file/);
    await expect(vm.links.read(vm.id, '/dev/console')).rejects.toThrow(/plain files/);
  });

  test('takes the host’s time and the host’s entropy', async () => {
    vm.links.setClock(vm.id, Date.UTC(2031, 0, 2, 3, 4, 5));
    vm.links.reseed(vm.id, randomBytes(64));
    expect((await vm.run(['date', '-u', '+%Y-%m-%d'])).stdout).toBe('2031-01-02\n');
  });

  test('leaves no zombies behind', async () => {
    await vm.run(sh('(sleep 0.1 &) ; (sleep 0.1 &)'));
    await sleep(1000);
    expect(
      (await vm.run(sh('cat /proc/[0-9]*/stat | grep -c " Z " || :; cat /proc/[0-9]*/stat'))).stdout,
    ).not.toMatch(/\) Z /);
  });

  // Many times: what the port says of its client and what the client says reach init in any order.
  test('tells the next controller what it told the last, with the same start, and ends what that one ran', async () => {
    const before = await vm.until('started');
    for (let turn = 0; turn < 20; turn += 1) {
      const left = `/tmp/left${turn}`;
      const session = await vm.links.exec(vm.id, { argv: sh(`echo $$ > ${left}; exec sleep 1000`), env: {} });
      while ((await vm.links.stat(vm.id, left)) === undefined) await sleep(50);
      vm.reconnect();
      await expect(session.exitCode).rejects.toMatchObject({ reason: 'GuestGone' });
      const after = await vm.until('started');
      expect(Math.abs(after.startedAt - before.startedAt)).toBeLessThan(1000);
      expect((await vm.run(sh(`kill -0 $(cat ${left})`))).code).not.toBe(0);
    }
  });
});

describe('the end of a program', () => {
  test.each([
    [sh('exit 0'), { code: 0, message: 'exit code 0' }],
    [sh('exit 3'), { code: 3, message: 'exit code 3' }],
    [sh('kill -9 $$'), { code: 137, message: 'killed by signal 9 (SIGKILL)' }],
    [
      ['/etc/plain.txt'],
      { code: 126, message: 'permission denied, not executable: /etc/plain.txt: Permission denied' },
    ],
    [['nowhere'], { code: 127, message: 'command not found: nowhere: No such file or directory' }],
  ])('%j is told as it was', async (argv, exit) => {
    expect(await exitOf({ argv })).toEqual(exit);
  });

  test('a user that the image lacks is said by name', async () => {
    expect(await exitOf({ argv: ['sh'], user: 'bob' })).toEqual({
      code: 125,
      message: 'the image has no such user: bob',
    });
  });

  test('running out of memory is said only where the kernel did it', async () => {
    const hungry = 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done';
    expect(await exitOf({ argv: sh(hungry), memoryMib: 128 })).toMatchObject({
      code: 137,
      message: expect.stringMatching(/^out of memory/) as unknown,
    });
    const forged = 'echo "<3>Out of memory: Killed process $$ (sh)" > /dev/kmsg; kill -9 $$';
    expect(await exitOf({ argv: sh(forged) })).toEqual({
      code: 137,
      message: 'killed by signal 9 (SIGKILL)',
    });
  });

  test('the power stays on until the host has taken note, also a host that comes later; then disks are clean', async () => {
    const vm = await stage.boot({ argv: sh('echo kept > /kept; exit 5') });
    await vm.until('exited');
    expect(await vm.ended(1500)).toBe(false);
    vm.reconnect();
    expect(await vm.until('exited')).toEqual({ state: 'exited', exit: { code: 5, message: 'exit code 5' } });
    vm.links.acknowledgeExit(vm.id);
    expect(await vm.ended()).toBe(true);
    const again = await stage.boot({
      argv: sh('cat /kept; mount -t proc proc /proc; sleep 1000'),
      overlay: vm.overlay,
    });
    await again.until('started');
    await sleep(500);
    expect(await again.console()).toBe('kept\n');
    await again.kill();
  });

  test('a shutdown is the image’s own signal, then patience, then an end', async () => {
    const polite = await stage.boot({
      argv: sh('trap "exit 7" QUIT; echo up; while :; do sleep 0.1; done'),
      stopSignal: 'SIGQUIT',
    });
    await polite.until('started');
    while (!(await polite.console()).includes('up')) await sleep(50);
    polite.links.shutdown(polite.id, 20_000);
    expect(await polite.until('exited')).toMatchObject({ exit: { code: 7 } });
    await polite.kill();
    const deaf = await stage.boot({ argv: sh('trap "" TERM; echo up; while :; do sleep 0.1; done') });
    await deaf.until('started');
    while (!(await deaf.console()).includes('up')) await sleep(50);
    deaf.links.shutdown(deaf.id, 500);
    expect(await deaf.until('exited')).toMatchObject({ exit: { code: 137 } });
    deaf.links.acknowledgeExit(deaf.id);
    expect(await deaf.ended()).toBe(true);
  });
});

describe('other ways to boot', () => {
  test('without the agent the guest is told of and stopped, and nothing is run in it', async () => {
    const vm = await stage.boot({ argv: ['sleep', '1000'], agent: false });
    expect(await vm.until('started')).toMatchObject({ agentReady: false });
    await expect(vm.run(['id'])).rejects.toMatchObject({ reason: 'AgentSkipped' });
    vm.links.shutdown(vm.id, 5000);
    await vm.until('exited');
    await vm.kill();
  });

  test('a full system gets to be PID 1, and the agent works beside it', async () => {
    const vm = await stage.boot({ argv: ['/sbin/init'] });
    await vm.until('started');
    expect((await vm.run(sh('cat /proc/1/cmdline'))).stdout).toContain('/sbin/init');
    vm.links.shutdown(vm.id, 5000);
    expect(await vm.until('exited')).toEqual({ state: 'exited', exit: { message: 'powered off' } });
    expect(await vm.ended()).toBe(true);
  });
});
