import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectControl } from '../../src/egress/control/client.ts';
import { egressPlace } from '../../src/egress/place.ts';
import { cli, conditionOf, declare, eventually } from '../support/controller-process.ts';
import { isMediated, openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import { filesWith, isInMemory } from '../support/egress-vm-search.ts';
import { valueIn } from '../support/egress-vm-ticker.ts';
import { forkHouseOf, isReady } from '../support/fork-house.ts';
import type { ForkHouse } from '../support/fork-house.ts';
import { machinesOf } from '../support/machines.ts';

/** A mediated guest whose program sends requests all the time, and forks of it, which go on with that as themselves. */
let egress: EgressHouse;
let forks: ForkHouse;

const RUNNING = { forkFrom: { fromRunning: true } };
const mark = randomBytes(9).toString('hex');
const valueOf = (number: number): string => `value-${number}-${mark}`;
/** In what every value has in common, as it is and in the ways in which a string is kept. */
const FORMS = [Buffer.from(mark), Buffer.from(mark, 'utf16le')];
const URL_OF_SELF = 'https://api.test/who?case=who&name=$(cat /proc/sys/kernel/hostname).';
const PROGRAM = `while :; do curl -sS -m 5 "${URL_OF_SELF}"; sleep 0.5; done >/tmp/said 2>&1`;

beforeAll(async () => {
  egress = await openEgressHouse('10.150.0.0/24', 'some');
  forks = forkHouseOf(egress.house);
  await rotate(valueOf(1));
  await egress.declareClients('base', {
    ...{ vcpus: 1, size: '384MB', entrypoint: ['/bin/sh', '-c'], cmd: [PROGRAM] },
    envFrom: [{ secretRef: { name: 'keys' } }],
    credentials: {
      KEY: {
        source: { env: 'REAL_KEY' },
        inject: [{ hosts: ['api.test'], as: { header: 'X-Key', format: 'key ${value}' } }],
      },
    },
    network: { egress: { enabled: true } },
  });
  await egress.untilUp('base');
  await untilSent('base', valueOf(1));
}, 400_000);

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await egress.house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await egress.close();
});

async function rotate(value: string): Promise<void> {
  const secret = { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'keys' } };
  await declare(
    egress.house.place,
    'keys.yaml',
    JSON.stringify({ ...secret, stringData: { REAL_KEY: value } }),
  );
}

/** What its own program's requests carried, in order; '' for those without a value. */
function sentBy(name: string): readonly string[] {
  return egress.internet.requests(`name=${name}.`).map((request) => valueIn(request, 'x-key') ?? '');
}

async function untilSent(name: string, value: string): Promise<void> {
  await eventually(
    `${name} sends ${value}`,
    () => Promise.resolve(sentBy(name).at(-1)),
    (last) => last === value,
    60_000,
  );
}

const untilMediated = (name: string): ReturnType<ForkHouse['until']> =>
  forks.until(name, 'mediated', isMediated);

async function certificateOf(name: string): Promise<string> {
  const { stateDir: state, runDir: run } = egress.house.place;
  const { id } = (await untilMediated(name)).status;
  const client = await connectControl(egressPlace({ state, run }).socket);
  const { inForce } = await client.list();
  client.end();
  return inForce.find(({ instance }) => instance === id)?.certificate ?? '';
}

/** `ok`, or the exit code of curl, which is 60 for a certificate that it does not trust. */
async function askTrusting(name: string, certificate: string): Promise<string> {
  const script = `echo ${Buffer.from(certificate).toString('base64')} | base64 -d >/tmp/ca.pem
    curl -sS --cacert /tmp/ca.pem 'https://api.test/trust' || echo $?`;
  return (await egress.inGuest(name, script)).stdout.trim();
}

test('a fork’s program goes on with the source’s value, under a policy and a CA of its own', async () => {
  await forks.declareForks(['one'], 'base', RUNNING);
  const fork = await untilMediated('one');
  await untilSent('one', valueOf(1));
  expect(fork.status.credentials).toMatchObject([{ name: 'KEY' }]);
  const [theirs, own] = [await certificateOf('base'), await certificateOf('one')];
  expect(own).not.toBe(theirs);
  expect(await askTrusting('one', own)).toBe('ok');
  expect(await askTrusting('one', theirs)).toBe('60');
  expect(await askTrusting('base', theirs)).toBe('ok');
  const { stdout } = await cli(egress.house.place, 'egress', 'one', '-o', 'json');
  const decisions = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; verdict: string; credentials: readonly string[] });
  expect(new Set(decisions.map(({ name }) => name))).toEqual(new Set(['one']));
  expect(decisions).toContainEqual(expect.objectContaining({ verdict: 'injected', credentials: ['KEY'] }));
});

test('a rotation of the source’s is one of the fork’s, live; a fork’s own value is its own', async () => {
  await forks.declareForks(['own'], 'base', { ...RUNNING, env: { REAL_KEY: valueOf(3) } });
  await untilMediated('own');
  await untilSent('own', valueOf(3));
  const before = sentBy('one').length;
  await rotate(valueOf(2));
  for (const name of ['base', 'one']) await untilSent(name, valueOf(2));
  expect(sentBy('one').slice(before)).toEqual(sentBy('one').slice(before).toSorted());
  const rotated = await forks.until(
    'one',
    'rotated',
    ({ status }) => status.credentials?.[0]?.generation === 2,
  );
  expect(rotated.status.restarts ?? 0).toBe(0);
  expect(new Set(sentBy('own'))).toEqual(new Set([valueOf(3)]));
});

test('nothing is injected for a fork without credentials', async () => {
  await forks.declareForks(['none'], 'base', { forkFrom: { fromRunning: true, credentials: 'None' } });
  const fork = await forks.until('none', 'ready', isReady);
  expect(conditionOf(fork, 'EgressEnforced')).toBe('True');
  // Nothing is to be injected, so nothing is opened: the client speaks with the server's own certificate.
  expect((await egress.inGuest('none', `curl -sSk 'https://api.test/bare?case=bare'`)).stdout).toBe('ok');
  const bare = egress.internet.requests('case=bare');
  expect(bare.map((request) => valueIn(request, 'x-key'))).toEqual([undefined]);
  expect(sentBy('none')).toEqual([]);
  const { stdout } = await cli(egress.house.place, 'egress', 'none', '-o', 'json');
  expect(stdout).toContain('"verdict":"spliced"');
  expect(stdout).not.toContain('"verdict":"injected"');
  expect(fork.status.credentials ?? []).toEqual([]);
  await forks.withdraw('none');
});

test('no value is in the state directory, the run directory, or the memory of any machine', async () => {
  const { stateDir, runDir } = egress.house.place;
  expect(await filesWith([Buffer.from('mock-KEY')], stateDir)).not.toEqual([]);
  expect(await filesWith([Buffer.from('REAL_KEY')], stateDir)).toContainEqual(
    expect.stringContaining('inherited.json'),
  );
  expect(await filesWith(FORMS, stateDir, runDir)).toEqual([]);
  const machines = await machinesOf(egress.house.place);
  expect(machines.length).toBeGreaterThanOrEqual(3);
  for (const { pid } of machines) expect(await isInMemory(pid, FORMS)).toBe(false);
});

test('a fork whose source is gone keeps the policy that is in force, and says what is missing', async () => {
  await egress.house.remove('base');
  const orphan = await forks.until(
    'one',
    'out of sync',
    ({ status }) => status.conditions.find(({ type }) => type === 'CredentialsSynced')?.status === 'False',
  );
  const synced = orphan.status.conditions.find(({ type }) => type === 'CredentialsSynced');
  expect(synced?.message).toMatch(/REAL_KEY was a secret of default\/base.*give it a value/);
  const count = sentBy('one').length;
  await eventually(
    'more requests',
    () => Promise.resolve(sentBy('one').length),
    (now) => now >= count + 3,
  );
  expect(new Set(sentBy('one').slice(count))).toEqual(new Set([valueOf(2)]));
  await forks.declareForks(['one'], 'base', { ...RUNNING, env: { REAL_KEY: valueOf(3) } });
  await untilSent('one', valueOf(3));
  await untilMediated('one');
});
