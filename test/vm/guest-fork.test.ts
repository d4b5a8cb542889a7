import { randomBytes } from 'node:crypto';
import { symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { machineIdFor } from '../../src/guest/machine-id.ts';
import type { GuestIdentity } from '../../src/machine/guest.ts';
import { openForkStage } from '../support/fork-stage.ts';
import type { Forkable, ForkStage } from '../support/fork-stage.ts';
import { RESOLVER, SERVER, eventually } from '../support/netns.ts';
import type { LabProcess } from '../support/netns.ts';
import type { SnapshotPaths } from '../../src/machine/snapshot-paths.ts';

/**
 * Counts, draws random numbers, and keeps a connection that it writes to 10 times a second; what ended it is
 * written down.
 */
const PROGRAM = `
  (while :; do head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ' > /tmp/random.new; mv /tmp/random.new /tmp/random; done) &
  (n=0; while :; do n=$((n+1)); echo $n > /tmp/count; sleep 0.05; done) &
  (while :; do echo "from $(hostname)"; sleep 0.1; done) | nc ${SERVER} 7000 > /tmp/echoed 2>&1
  echo ended > /tmp/ended
  while :; do sleep 1000; done`;

/** Keeps connections, says what it hears by peer, and echoes. */
const ECHO = `require('node:net').createServer((socket) => {
  const peer = socket.remotePort;
  socket.on('error', () => {});
  socket.on('close', () => console.log(peer + ' closed'));
  socket.on('data', (words) => {
    for (const line of words.toString().trim().split('\\n')) console.log(peer + ' ' + line);
    socket.write(words);
  });
}).listen(7000, '${SERVER}', () => console.log('ready'))`;

const MACHINE_ID = '0123456789abcdef'.repeat(2);
const NAMES = new URL('../support/egress-vm-names.ts', import.meta.url).href;

describe('forks of a running machine', () => {
  let stage: ForkStage;
  let source: Forkable;
  let echo: LabProcess;
  let connection: string;
  beforeAll(async () => {
    stage = await openForkStage(async (tree) => {
      for (const name of ['nc', 'tr', 'mv', 'nslookup', 'sync'])
        await symlink('busybox', `${tree}/bin/${name}`);
      await writeFile(`${tree}/etc/machine-id`, `${MACHINE_ID}\n`);
    });
    const { lab } = stage;
    echo = await lab.start(lab.internetNs, process.execPath, ['-e', ECHO]);
    const names = `import('${NAMES}').then(({ answerNames }) => answerNames('${RESOLVER}', ['web.test'], () => {})).then(() => console.log('ready'))`;
    const resolver = await lab.start(lab.internetNs, process.execPath, ['-e', names]);
    for (const server of [echo, resolver]) expect(await server.said((line) => line === 'ready')).toBe(true);
    source = await stage.boot('10.100.0.2', ['sh', '-c', PROGRAM]);
    expect(await echo.said((line) => line.endsWith('from source'), 20_000)).toBe(true);
    connection = connections()[0] ?? '';
  });
  afterAll(async () => {
    await stage.close();
  });

  const identityOf = ({ identity }: Forkable, hostname: string): GuestIdentity => {
    const { ip, gateway, mac, id } = identity;
    return { hostname, network: { ip, gateway, mac }, machineId: machineIdFor(id) };
  };
  const identify = async (one: Forkable, hostname: string): Promise<number> => {
    const then = performance.now();
    stage.links.identify(one.machine.id, identityOf(one, hostname), {
      epochMs: Date.now(),
      entropy: randomBytes(256),
    });
    await stage.told(one, ({ identity, held }) => identity === one.machine.id && held === undefined);
    return performance.now() - then;
  };
  const count = async (one: Forkable): Promise<number> => Number(await stage.run(one, 'cat /tmp/count'));
  /** The connections that carried the source's words, by their ports. */
  const connections = (): readonly string[] =>
    [...new Set(echo.lines.filter((line) => line.endsWith('from source')))].map(
      (line) => line.split(' ')[0] ?? '',
    );
  const goesOn = async (): Promise<void> => {
    const before = echo.lines.length;
    expect(
      await eventually(() => echo.lines.slice(before).some((line) => line.endsWith('from source')), 20_000),
    ).toBe(true);
    expect(connections()).toEqual([connection]);
    expect(echo.lines).not.toContain(`${connection} closed`);
  };
  const frozen = async (): Promise<SnapshotPaths> => {
    stage.links.hold(source.machine.id);
    await stage.told(source, ({ held }) => held === true);
    const base = await stage.freeze(source);
    await reached(source, () => {
      stage.links.release(source.machine.id);
    });
    return base;
  };
  /** Says it again until it is heard: a connection of before may have been the one that said it. */
  const reached = async (one: Forkable, say: () => void): Promise<void> => {
    const again = setInterval(say, 50);
    try {
      await stage.told(one, ({ held }) => held === undefined);
    } finally {
      clearInterval(again);
    }
  };

  test('go on as themselves, each alone, and their source does not notice', async () => {
    const base = await frozen();
    await goesOn();
    const seen: string[] = [];
    for (const ip of ['10.100.0.3', '10.100.0.4']) {
      const fork = await stage.fork(source, base, ip);
      await stage.connect(fork);
      expect(await stage.told(fork, () => true)).toMatchObject({ identity: source.machine.id, held: true });
      const counted = await count(fork);
      await sleep(300);
      expect(await count(fork)).toBe(counted);
      await identify(fork, `fork-${ip.slice(-1)}`);
      expect(
        await stage.run(fork, 'hostname; ip -4 -o addr show eth0; ip link show eth0; cat /etc/machine-id'),
      ).toMatch(
        new RegExp(
          `^fork-${ip.slice(-1)}\n.*${ip}/32.*${fork.identity.mac}.*${machineIdFor(fork.machine.id)}$`,
          's',
        ),
      );
      await expect.poll(() => count(fork)).toBeGreaterThan(counted);
      await expect.poll(() => stage.run(fork, 'cat /tmp/ended')).toBe('ended');
      expect(await stage.run(fork, 'nslookup web.test')).toContain(RESOLVER);
      expect(await stage.run(fork, `echo hello from ${ip} | nc -w 5 ${SERVER} 7000`)).toBe(
        `hello from ${ip}`,
      );
      expect(Math.abs(Number(await stage.run(fork, 'date +%s')) - Date.now() / 1000)).toBeLessThan(3);
      seen.push(
        await stage.run(fork, 'cat /tmp/random'),
        await stage.run(fork, 'head -c 16 /dev/urandom | od -An -tx1'),
      );
    }
    expect(new Set(seen).size).toBe(seen.length);
    await goesOn();
  });

  test('that run before they know who they are reach nobody, and disturb nobody', async () => {
    const base = await stage.freeze(source);
    const fork = await stage.fork(source, base, '10.100.0.5');
    await stage.connect(fork);
    await stage.told(fork, () => true);
    const counted = await count(fork);
    await expect.poll(() => count(fork)).toBeGreaterThan(counted);
    expect(await stage.run(fork, `echo I am you | nc -w 2 ${SERVER} 7000`)).toBe('');
    await goesOn();
    await identify(fork, 'late');
    expect(await stage.run(fork, `echo hello from late | nc -w 5 ${SERVER} 7000`)).toBe('hello from late');
    expect(echo.lines.join()).not.toContain('I am you');
    await goesOn();
  });

  test('leave to a standby in place what it had: its connection, and after a refresh the time', async () => {
    await stage.standby(source);
    await goesOn();
    const { id } = source.machine;
    await stage.told(source, () => true);
    stage.links.setClock(id, Date.UTC(2031, 0, 2));
    stage.links.reseed(id, randomBytes(256));
    await expect.poll(() => stage.run(source, 'date -u +%Y')).toBe('2031');
    expect(await stage.run(source, 'hostname; cat /etc/machine-id')).toBe(`source\n${MACHINE_ID}`);
  });
});
