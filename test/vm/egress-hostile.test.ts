import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../../src/host/exec.ts';
import { installationTag, instanceId, tapNameFor } from '../../src/machine/ids.ts';
import { eventually } from '../support/controller-process.ts';
import { mediatedSpec, openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import { CLIENTS } from '../support/egress-vm-image.ts';

/** A guest with root that wants out, or a neighbour's secret. What gets past the guard, a sink of ours counts. */
let egress: EgressHouse;
let victimAddress: string;

const OWN = 'canary-attacker-0001';
const VICTIMS = 'canary-victim-0001';
const GATEWAY = '10.124.0.1';

beforeAll(async () => {
  egress = await openEgressHouse('10.124.0.0/24', 'some');
  await egress.declareClients('attacker', mediatedSpec({ value: OWN }));
  await egress.house.declareDemo('victim', mediatedSpec({ value: VICTIMS }));
  await egress.untilUp('attacker');
  victimAddress = (await egress.untilUp('victim')).status.network?.ip ?? '';
}, 400_000);

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await egress.house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await egress.close();
});

type Outcome = { readonly said: string; readonly seconds: number };

async function attack<T>(name: string, ...args: readonly (string | number)[]): Promise<T> {
  const script = `python3 ${CLIENTS}/attacks.py ${[name, ...args].join(' ')}`;
  const { exitCode, stdout, stderr } = await egress.inGuest('attacker', script);
  if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Frames that came out of the machine, before the guard. */
async function sentByAttacker(): Promise<number> {
  const id = (await egress.house.untilReady('attacker')).status.id ?? '';
  const tap = tapNameFor(instanceId(id), installationTag(egress.house.place.stateDir));
  return Number(await readFile(`/sys/class/net/${tap}/statistics/rx_packets`, 'utf8'));
}

function namesAsked(end: string): readonly string[] {
  return egress.internet.events.flatMap((event) =>
    event.is === 'name' && event.name.endsWith(end) ? [event.name] : [],
  );
}

/** Where in all that the guest can read there is this word; as hex, so that the question is not the answer. */
async function search(word: string): Promise<readonly string[]> {
  return attack('search', Buffer.from(word).toString('hex'));
}

/** Fails when anything came to the sink, or came from a guest's own address anywhere, while `act` ran. */
async function expectNoLeak<T>(act: () => Promise<T>): Promise<T> {
  const before = await egress.internet.leaked();
  const said = await act();
  expect(await egress.internet.leaked()).toEqual(before);
  return said;
}

test('the sink counts what reaches it: from the host it is reached', async () => {
  const before = await egress.internet.leaked();
  await runCommand('python3', [
    '-c',
    `import socket; socket.create_connection(('${egress.internet.sink}', 5432))`,
  ]);
  expect((await egress.internet.leaked()).toSink).toBeGreaterThan(before.toSink);
});

test('TCP to any other port is reset at once', async () => {
  const { sink } = egress.internet;
  const ports = [22, 25, 53, 853, 3306, 5432, 8443];
  const said = await expectNoLeak(() =>
    attack<Record<string, Outcome>>('connect', ...ports.map((port) => `${sink},${port}`)),
  );
  for (const { said: word, seconds } of Object.values(said)) {
    expect(word).toBe('ECONNREFUSED');
    expect(seconds).toBeLessThan(2);
  }
});

test('UDP is refused at once, QUIC and foreign name servers too', async () => {
  const { sink, address } = egress.internet;
  const targets = [`${sink},443`, `${sink},80`, `${sink},53`, `${sink},51820`, `${address},53`, '8.8.8.8,53'];
  const said = await expectNoLeak(() => attack<Record<string, Outcome>>('datagram', ...targets));
  for (const { said: word, seconds } of Object.values(said)) {
    expect(word).toMatch(/^E[A-Z]+$/);
    expect(seconds).toBeLessThan(1.5);
  }
  expect(namesAsked('leak.tunnel.test')).toEqual([]);
});

test('there is no IPv6 way out', async () => {
  await egress.inGuest(
    'attacker',
    'd=$(ls /sys/class/net | grep -v lo); ip -6 addr add 2001:db8::5/64 dev $d; ip -6 route add default dev $d',
  );
  const said = await attack<Record<string, Outcome>>(
    'connect',
    '2001:db8::1,443',
    '2606:4700:4700::1111,443',
  );
  expect(Object.values(said).map(({ said: word }) => word)).not.toContain('connected');
});

test('packets with a forged source address reach nobody', async () => {
  const { sink, address } = egress.internet;
  const targets = [`${sink},5432`, `${sink},443`, `${address},443`, `${GATEWAY},3128`];
  const before = await sentByAttacker();
  const sent = await expectNoLeak(() => attack<number>('spoof', victimAddress, ...targets));
  expect((await sentByAttacker()) - before).toBeGreaterThanOrEqual(sent);
});

test('protocols other than TCP and UDP reach nobody', async () => {
  const { sink } = egress.internet;
  const own = (await egress.house.untilReady('attacker')).status.network?.ip ?? '';
  await expectNoLeak(() => attack<number>('spoof', own, `${sink},5432`));
});

test('neither the neighbour nor a service of the host is reached', async () => {
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    socket.destroy();
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { host } = egress.internet;
  const targets = [
    `${GATEWAY},${port}`,
    `${host},${port}`,
    `${GATEWAY},22`,
    `${victimAddress},8080`,
    '169.254.169.254,5000',
  ];
  const said = await attack<Record<string, Outcome>>('connect', ...targets);
  server.close();
  expect(Object.values(said).map(({ said: word }) => word)).not.toContain('connected');
  expect(accepted).toBe(0);
});

test('the proxy dials nothing private for it', async () => {
  const { host } = egress.internet;
  const targets = [
    '169.254.169.254:443',
    '127.0.0.1:443',
    '10.0.0.1:443',
    `${GATEWAY}:443`,
    `${host}:443`,
    '[::1]:443',
  ];
  const said = await attack<Record<string, string>>('proxied', GATEWAY, ...targets.map((one) => `'${one}'`));
  expect([...new Set(Object.values(said))]).toEqual(['403']);
});

test('other guests’ listeners are of no use: no request carries the neighbour’s value', async () => {
  const { stdout } = await runCommand('ss', ['-Hltn', 'src', GATEWAY]);
  const ports = [...stdout.matchAll(/:(\d+)\s/g)].map(([, port]) => port ?? '').filter((port) => port !== '');
  expect(ports.length).toBeGreaterThan(4);
  await attack<Record<string, Outcome>>('through', GATEWAY, 'api.test', '/echo?case=through-', ...ports);
  const values = egress.internet.requests('case=through-').flatMap(({ rawHeaders }) => rawHeaders);
  expect(values.join('\n')).not.toContain(VICTIMS);
});

test('a tunnel of names is slowed to a trickle', async () => {
  const asked = await attack<number>('tunnel', GATEWAY, 6);
  const passed = namesAsked('.tunnel.test');
  expect(asked).toBeGreaterThan(1000);
  // 200 at once and 50 a second.
  expect(passed.length).toBeLessThan(200 + 50 * 12);
  expect(passed.length).toBeGreaterThan(0);
});

test('nothing that it can read holds the value: environment, command line, devices, firmware', async () => {
  expect(await search(OWN)).toEqual([]);
  expect((await search('mock-API_KEY')).length).toBeGreaterThan(0);
});

test('the rules flushed under load: no packet gets past, and they are back', async () => {
  const tag = installationTag(egress.house.place.stateDir);
  const { sink } = egress.internet;
  const tables = async (): Promise<string> => (await runCommand('nft', ['list', 'tables'])).stdout;
  await expectNoLeak(async () => {
    const load = egress.inGuest('attacker', `timeout 15 python3 ${CLIENTS}/clients.py knock ${sink}; true`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    for (let time = 0; time < 5; time += 1) {
      // As `nft flush ruleset` does to us, but for what others on this host have.
      const script = `nft list tables | grep -F '${tag}' | sed 's/^/delete /' | nft -f -`;
      expect((await runCommand('sh', ['-c', script])).exitCode).toBe(0);
      await eventually('the tables', tables, (text) => text.split(tag).length > 2, 20_000);
    }
    expect((await load).stdout).toMatch(/knocked [1-9]\d*, got in 0/);
  });
  const { stdout } = await egress.inGuest('attacker', `curl -sS 'https://api.test/echo?case=after-flush'`);
  expect(stdout).toBe('ok');
});
