import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectControl } from '../../src/egress/control/client.ts';
import { egressPlace } from '../../src/egress/place.ts';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { statIfThere } from '../../src/host/files.ts';
import { conditionOf, declare, eventually, getInstance } from '../support/controller-process.ts';
import { isMediated, openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import type { RequestSeen } from '../support/egress-vm-internet.ts';
import { openTicker, valueIn } from '../support/egress-vm-ticker.ts';
import type { Ticker } from '../support/egress-vm-ticker.ts';
import { machinesOf } from '../support/machines.ts';

/**
 * One mediated guest that goes into standby and on again. All the time it sends requests, and knocks where nobody
 * may let it through: the first instant of a guest that goes on is seen, too.
 */
let egress: EgressHouse;
let ticker: Ticker;
let boot: string;

beforeAll(async () => {
  egress = await openEgressHouse('10.135.0.0/24', 'some');
  await rotate('value-1');
  await declareState('Running');
  await egress.untilUp('kept');
  boot = await guestBoot();
  await egress.inGuest('kept', `nohup python3 -c "${knocker()}" </dev/null >/tmp/knock.log 2>&1 &`);
  ticker = openTicker(egress, 'kept');
  await ticker.start();
}, 400_000);

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await egress.house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await egress.close();
});

async function rotate(value: string): Promise<void> {
  const secret = { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'keys' } };
  const text = JSON.stringify({ ...secret, stringData: { REAL_KEY: value } });
  await declare(egress.house.place, 'keys.yaml', text);
}

async function declareState(state: string): Promise<void> {
  const inject = [{ hosts: ['api.test'], as: { header: 'X-Key', format: 'key ${value}' } }];
  await egress.declareClients('kept', {
    state,
    vcpus: 1,
    envFrom: [{ secretRef: { name: 'keys' } }],
    credentials: { KEY: { source: { env: 'REAL_KEY' }, inject } },
    network: { egress: { enabled: true } },
  });
}

/** Counts its attempts in /tmp/knocks, and those that were let through in /tmp/entered. */
function knocker(): string {
  return `
import socket, time
to, names, knocks = ('${egress.internet.sink}', 5432), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
while True:
    knocks += 1
    open('/tmp/knocks', 'w').write(str(knocks))
    try:
        names.sendto(b'leak' * 8, (to[0], 443))
    except OSError:
        pass
    try:
        socket.create_connection(to, 0.5).close()
        open('/tmp/entered', 'w').close()
    except OSError:
        pass
    time.sleep(0.02)
`;
}

const guestBoot = async (): Promise<string> =>
  (await egress.inGuest('kept', 'cat /proc/sys/kernel/random/boot_id')).stdout;

const place = (): ReturnType<typeof egressPlace> => {
  const { stateDir: state, runDir: run } = egress.house.place;
  return egressPlace({ state, run });
};

async function proxyPid(): Promise<number> {
  return (JSON.parse(await readFile(place().identity, 'utf8')) as { pid: number }).pid;
}

/** The instances that the proxy holds a policy of, by its own word. */
async function heldPolicies(): Promise<readonly string[]> {
  const client = await connectControl(place().socket);
  const { inForce } = await client.list();
  client.end();
  return inForce.map(({ instance }) => instance);
}

/** Returns how many requests had come until then: they are all that came before it goes on. */
async function standBy(): Promise<number> {
  await declareState('Standby');
  await eventually(
    'standby',
    () => getInstance(egress.house.place, 'kept'),
    (seen) => seen?.status.state === 'Standby' && conditionOf(seen, 'Ready') === 'True',
    150_000,
  );
  return ticker.ticks().length;
}

async function goOn(): Promise<ReportedInstance | undefined> {
  await declareState('Running');
  return eventually(
    'running',
    () => getInstance(egress.house.place, 'kept'),
    (seen) => seen?.status.state === 'Running' && isMediated(seen),
    150_000,
  );
}

/** Its requests after so many: the first that it makes at all, and more. */
async function requestsAfter(count: number): Promise<readonly RequestSeen[]> {
  await eventually(
    'requests',
    () => Promise.resolve(ticker.ticks().length),
    (now) => now >= count + 5,
    30_000,
  );
  return ticker.ticks().slice(count);
}

async function expectOnly(value: string, requests: readonly RequestSeen[]): Promise<void> {
  expect(new Set(requests.map((request) => valueIn(request, 'x-key')))).toEqual(new Set([value]));
  expect(await guestBoot()).toBe(boot);
}

async function knocks(): Promise<number> {
  return Number((await egress.inGuest('kept', 'ls /tmp/entered 2>/dev/null; cat /tmp/knocks')).stdout);
}

test('a value that is rotated in standby is in the first request of a guest that goes on', async () => {
  expect(valueIn(await ticker.next(), 'x-key')).toBe('value-1');
  const count = await standBy();
  // Nobody else is mediated: without a policy there is no process, and no listener of it.
  expect(await statIfThere(place().identity)).toBeUndefined();
  expect(await statIfThere(place().socket)).toBeUndefined();
  await rotate('value-2');
  expect(ticker.ticks()).toHaveLength(count);
  const running = await goOn();
  await expectOnly('value-2', await requestsAfter(count));
  expect(running?.status.credentials).toMatchObject([{ name: 'KEY', generation: 2 }]);
  expect(running?.status.restarts ?? 0).toBe(0);
});

test('the proxy killed while one is in standby: it comes back mediated by the next one, and nothing leaks', async () => {
  const leaked = await egress.internet.leaked();
  const count = await standBy();
  expect(await machinesOf(egress.house.place)).toEqual([]);
  await egress.house.declareDemo('other', { network: { egress: { enabled: true } } });
  const other = await egress.house.untilReady('other');
  expect(await heldPolicies()).toEqual([other.status.id]);
  const pid = await proxyPid();
  process.kill(pid, 'SIGKILL');
  await eventually(
    'another process',
    () => proxyPid().catch(() => pid),
    (now) => now !== pid,
    20_000,
  );
  await rotate('value-3');
  const running = await goOn();
  await expectOnly('value-3', await requestsAfter(count));
  expect((await heldPolicies()).toSorted()).toEqual([running?.status.id ?? '', other.status.id].toSorted());
  expect(await egress.internet.leaked()).toEqual(leaked);
});

test('the proxy killed as a guest goes on: no request without its value, and nothing leaks', async () => {
  const leaked = await egress.internet.leaked();
  const before = await knocks();
  const count = await standBy();
  await rotate('value-4');
  const pid = await proxyPid();
  await declareState('Running');
  await eventually(
    'its machine',
    () => machinesOf(egress.house.place),
    (machines) => machines.length === 2,
  );
  process.kill(pid, 'SIGKILL');
  await goOn();
  await expectOnly('value-4', await requestsAfter(count));
  // It did knock, and was let in nowhere: NaN where it was.
  expect(await knocks()).toBeGreaterThan(before);
  expect(await egress.internet.leaked()).toEqual(leaked);
});
