import { readFile, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { declare, eventually, getInstance } from '../support/controller-process.ts';
import { openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import { openTicker, valueIn } from '../support/egress-vm-ticker.ts';
import type { Ticker } from '../support/egress-vm-ticker.ts';

/** A guest that runs while the Secret of one of its credentials is gone. */
let egress: EgressHouse;
let ticker: Ticker;

const ALL = {
  FROM_ENV: credential('REAL_ENV', 'X-Env'),
  ALSO_ENV: credential('REAL_ENV', 'X-Also'),
  FROM_SECRET: credential('REAL_SECRET', 'X-Secret'),
};

beforeAll(async () => {
  egress = await openEgressHouse('10.156.0.0/24', 'some');
  await declareSecret('secret-1');
  await declareWith('env-1');
  await egress.untilUp('missing');
  await egress.inGuest('missing', `cat /proc/sys/kernel/random/boot_id >/tmp/boot`);
  ticker = openTicker(egress, 'missing');
  await ticker.start();
}, 400_000);

afterEach(async (context) => {
  if (context.task.result?.state !== 'fail') return;
  await egress.house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await egress.close();
});

function credential(variable: string, header: string): unknown {
  return {
    source: { env: variable },
    inject: [{ hosts: ['api.test'], as: { header, format: 'key ${value}' } }],
  };
}

async function declareWith(value: string, credentials: object = ALL): Promise<void> {
  await egress.declareClients('missing', {
    env: { REAL_ENV: value },
    envFrom: [{ secretRef: { name: 'keys' } }],
    credentials,
    network: { egress: { enabled: true } },
  });
}

async function declareSecret(value: string): Promise<void> {
  const secret = { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'keys' } };
  const text = JSON.stringify({ ...secret, stringData: { REAL_SECRET: value } });
  await declare(egress.house.place, 'keys.yaml', text);
}

async function syncMessage(): Promise<string> {
  const seen = await getInstance(egress.house.place, 'missing');
  return seen?.status.conditions.find(({ type }) => type === 'CredentialsSynced')?.message ?? '';
}

async function proxyPid(): Promise<number> {
  const text = await readFile(`${egress.house.place.stateDir}/egress/process.json`, 'utf8');
  return (JSON.parse(text) as { pid: number }).pid;
}

async function expectNotRestarted(): Promise<void> {
  const { stdout } = await egress.inGuest('missing', 'cat /tmp/boot /proc/sys/kernel/random/boot_id');
  expect(new Set(stdout.split('\n')).size).toBe(1);
}

async function untilGone(header: string): Promise<void> {
  await eventually(
    `without ${header}`,
    () => Promise.resolve(valueIn(ticker.ticks().at(-1), header)),
    (value) => value === undefined,
  );
}

test('other values rotate and credentials end while it is gone, and its own goes on, over a restart of the controller', async () => {
  await rm(`${egress.house.place.watchDir}/keys.yaml`);
  await eventually('missing', syncMessage, (message) => message.endsWith('the values of before stay in use'));
  await declareWith('env-2');
  await ticker.until('x-env', 'env-2');
  const { FROM_ENV, FROM_SECRET } = ALL;
  await declareWith('env-2', { FROM_ENV, FROM_SECRET });
  await untilGone('x-also');
  await egress.house.controller().stop('SIGKILL');
  await egress.house.restartController();
  await declareWith('env-2', ALL);
  await ticker.until('x-also', 'env-2', 30_000);
  expect(valueIn(await ticker.next(), 'x-secret')).toBe('secret-1');
  await expectNotRestarted();
});

test('when nobody knows its value any more, requests that need it are refused until it is back', async () => {
  await egress.house.controller().stop('SIGKILL');
  process.kill(await proxyPid(), 'SIGKILL');
  await egress.house.restartController();
  const refused = (message: string): boolean => message.includes('need FROM_SECRET are refused');
  await eventually('refused', syncMessage, refused, 60_000);
  const { length } = ticker.ticks();
  const curl = (host: string): string => `curl -sk -o /dev/null -w '%{http_code} ' https://${host}/echo`;
  const { stdout } = await egress.inGuest('missing', `${curl('api.test')}; ${curl('other.test')}`);
  expect(stdout).toBe('503 200 ');
  expect(ticker.ticks().slice(length)).toEqual([]);
  await declareSecret('secret-2');
  await ticker.until('x-secret', 'secret-2', 30_000);
  expect(valueIn(await ticker.next(), 'x-env')).toBe('env-2');
  await expectNotRestarted();
});

test('its own credential ends at once, too', async () => {
  await rm(`${egress.house.place.watchDir}/keys.yaml`);
  await eventually('missing', syncMessage, (message) => message.includes('there is no Secret'));
  await declareWith('env-2', { FROM_ENV: ALL.FROM_ENV });
  await untilGone('x-secret');
  expect(valueIn(await ticker.next(), 'x-env')).toBe('env-2');
  await declareWith('env-2');
  await eventually('refused', syncMessage, (message) => message.includes('are refused'), 30_000);
  await expectNotRestarted();
});
