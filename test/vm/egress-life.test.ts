import { readFile, readdir, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { conditionOf, declare, eventually, getInstance, tracesOf } from '../support/controller-process.ts';
import { isMediated, openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import { CLIENTS } from '../support/egress-vm-image.ts';
import { connectionOf, openTicker, valueIn } from '../support/egress-vm-ticker.ts';
import type { Ticker } from '../support/egress-vm-ticker.ts';
import type { DemoSpec } from '../support/test-house.ts';

/** One guest that sends a request every 50 ms on one connection while everything around it changes. */
let egress: EgressHouse;
let ticker: Ticker;

const PYTHON = `python3 ${CLIENTS}/clients.py`;
type Origin = 'env' | 'secret' | 'file';

/** What is declared at the moment. */
const values: Record<Origin, string> = { env: 'env-1', secret: 'secret-1', file: 'file-1' };
let spec: DemoSpec;

beforeAll(async () => {
  egress = await openEgressHouse('10.123.0.0/24', 'some');
  spec = {
    envFrom: [{ secretRef: { name: 'keys' } }, { fileRef: { path: dotenvPath() } }],
    credentials: {
      FROM_ENV: credential('REAL_ENV', 'X-Env'),
      FROM_SECRET: credential('REAL_SECRET', 'X-Secret'),
      FROM_FILE: credential('REAL_FILE', 'X-File'),
    },
    network: { egress: { enabled: true } },
  };
  await declareValue('secret', values.secret);
  await declareValue('file', values.file);
  await redeclare();
  await egress.untilUp('life');
  await egress.inGuest('life', `cat /proc/sys/kernel/random/boot_id >/tmp/boot`);
  ticker = openTicker(egress, 'life');
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

function dotenvPath(): string {
  return `${egress.house.place.stateDir}.env`;
}

async function redeclare(changes: DemoSpec = {}): Promise<void> {
  spec = { ...spec, ...changes };
  await egress.declareClients('life', { env: { REAL_ENV: values.env }, ...spec });
}

async function declareValue(origin: Origin, value: string): Promise<void> {
  values[origin] = value;
  const secret = { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'keys' } };
  if (origin === 'env') await redeclare();
  if (origin === 'file') await writeFile(dotenvPath(), `REAL_FILE=${value}\n`);
  if (origin === 'secret')
    await declare(
      egress.house.place,
      'keys.yaml',
      JSON.stringify({ ...secret, stringData: { REAL_SECRET: value } }),
    );
}

async function proxyPid(): Promise<number> {
  const text = await readFile(`${egress.house.place.stateDir}/egress/process.json`, 'utf8');
  return (JSON.parse(text) as { pid: number }).pid;
}

async function expectNotRestarted(): Promise<void> {
  const { stdout } = await egress.inGuest('life', 'cat /tmp/boot /proc/sys/kernel/random/boot_id');
  expect(new Set(stdout.split('\n')).size).toBe(1);
  expect((await getInstance(egress.house.place, 'life'))?.status.restarts ?? 0).toBe(0);
}

/** Whether a guest's own connection, past any proxy, gets through to somebody. */
async function reachesSink(): Promise<boolean> {
  const script = `import socket; print(socket.create_connection(('${egress.internet.sink}', 5432), 3).recv(9))`;
  const { stdout } = await egress.inGuest('life', `python3 -c "${script}" 2>&1`);
  return stdout.includes('sink');
}

test.each(['env', 'secret', 'file'] as const)(
  'a rotation by %s is live on a connection that is open: the old value until then, the new one ever after',
  async (origin) => {
    const first = await ticker.next();
    const from = ticker.ticks().length;
    await declareValue(origin, `${origin}-2`);
    await ticker.until(`x-${origin}`, `${origin}-2`);
    await ticker.next();
    const seen = ticker
      .ticks()
      .slice(from)
      .map((tick) => valueIn(tick, `x-${origin}`));
    expect(seen).toEqual(seen.toSorted());
    expect(new Set(seen).difference(new Set([`${origin}-1`, `${origin}-2`])).size).toBe(0);
    expect(connectionOf(ticker.ticks().at(-1))).toBe(connectionOf(first));
    await expectNotRestarted();
  },
);

test('the generation and the time of a rotation are shown, the value is not', async () => {
  const seen = await eventually(
    'generation',
    () => getInstance(egress.house.place, 'life'),
    (instance) => instance?.status.credentials?.find(({ name }) => name === 'FROM_ENV')?.generation === 2,
  );
  expect(JSON.stringify(seen?.status)).not.toContain('env-2');
});

test('an upload that runs is left alone by a rotation; the next request has the new value', async () => {
  const upload = egress.inGuest('life', `${PYTHON} with_upload 'https://api.test/upload?case=upload'`);
  await eventually(
    'the upload',
    () => Promise.resolve(egress.internet.requests('case=upload').length),
    (count) => count === 1,
    60_000,
  );
  await declareValue('env', 'env-3');
  await ticker.until('x-env', 'env-3');
  expect(egress.internet.events.filter(({ is }) => is === 'uploaded')).toEqual([]);
  expect((await upload).stdout).toBe('200 whole');
  expect(valueIn(egress.internet.requests('case=upload')[0], 'x-env')).toBe('env-2');
});

test('while the controller is away nothing changes; what was edited meanwhile is live when it is back', async () => {
  const before = await ticker.next();
  await egress.house.controller().stop('SIGKILL');
  await declareValue('env', 'env-4');
  await ticker.next();
  expect(valueIn(await ticker.next(), 'x-env')).toBe('env-3');
  await egress.house.restartController();
  await ticker.until('x-env', 'env-4', 30_000);
  expect(connectionOf(ticker.ticks().at(-1))).toBe(connectionOf(before));
  await expectNotRestarted();
});

test('the proxy killed under load: nothing leaks, and all is as before within ten seconds', async () => {
  const { sink } = egress.internet;
  const load = egress.inGuest('life', `timeout 12 ${PYTHON} knock ${sink}; true`);
  await ticker.next();
  const before = await egress.internet.leaked();
  const pid = await proxyPid();
  process.kill(pid, 'SIGKILL');
  await eventually(
    'another process',
    () => proxyPid().catch(() => pid),
    (now) => now !== pid,
    10_000,
  );
  const next = await ticker.next(10_000);
  expect(valueIn(next, 'x-env')).toBe('env-4');
  const { stdout } = await load;
  expect(stdout).toMatch(/knocked [1-9]\d*, got in 0/);
  expect(await egress.internet.leaked()).toEqual(before);
  await expectNotRestarted();
});

test('the proxy killed while the controller is away: nothing gets through until it is back', async () => {
  const before = await egress.internet.leaked();
  await egress.house.controller().stop('SIGKILL');
  process.kill(await proxyPid(), 'SIGKILL');
  const { stdout } = await egress.inGuest('life', 'true');
  expect(stdout).toBe('');
  const silent = ticker.ticks().length;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(ticker.ticks().length - silent).toBeLessThanOrEqual(1);
  await egress.house.restartController();
  expect(valueIn(await ticker.next(30_000), 'x-env')).toBe('env-4');
  expect(await egress.internet.leaked()).toEqual(before);
});

test('the mode is changed live: other ports open and close, the secret goes on', async () => {
  expect(await reachesSink()).toBe(false);
  await redeclare({ network: { egress: { enabled: true, enforcement: { mode: 'http_https_only' } } } });
  await eventually('open', reachesSink, (reached) => reached, 20_000);
  expect(valueIn(await ticker.next(), 'x-env')).toBe('env-4');
  await redeclare({ network: { egress: { enabled: true } } });
  await eventually('closed', reachesSink, (reached) => !reached, 20_000);
  expect(valueIn(await ticker.next(), 'x-env')).toBe('env-4');
  await expectNotRestarted();
});

test('a credential that is taken away closes the WebSocket that used it, within a second', async () => {
  const held = egress.inGuest('life', `${PYTHON} hold_websocket 'https://api.test/chat?case=held'`);
  await eventually(
    'the WebSocket',
    () => Promise.resolve(egress.internet.requests('case=held').length),
    (count) => count === 1,
    30_000,
  );
  const { FROM_FILE, ...others } = spec.credentials as Record<string, unknown>;
  const at = Date.now();
  await redeclare({ credentials: others });
  const closed = await eventually(
    'closed',
    () => Promise.resolve(egress.internet.events.find(({ is }) => is === 'websocket-closed')),
    (event) => event !== undefined,
  );
  expect((closed?.at ?? Infinity) - at).toBeLessThan(2000);
  expect((await held).stdout).toContain('closed');
  await eventually(
    'without it',
    () => Promise.resolve(valueIn(ticker.ticks().at(-1), 'x-file')),
    (value) => value === undefined,
  );
  await redeclare({ credentials: { ...others, FROM_FILE } });
  await ticker.until('x-file', 'file-2');
});

test('mediation switched off and on again, live: straight out and back behind the proxy', async () => {
  const { credentials } = spec;
  await redeclare({ credentials: {}, network: {} });
  await eventually('open', reachesSink, (reached) => reached, 20_000);
  // Straight out, and by the proxy that this guest still has in its environment. The image does not know
  // the CA of this internet, hence -k.
  const url = "-k 'https://api.test/echo?case=off'";
  const { stdout } = await egress.inGuest('life', `curl -sS ${url} && unset https_proxy && curl -sS ${url}`);
  expect(stdout).toBe('okok');
  const seen = egress.internet.requests('case=off').map(({ rawHeaders }) => rawHeaders.join());
  expect(seen).toHaveLength(2);
  expect(seen.join()).not.toMatch(/x-env|env-4/);
  await redeclare({ credentials, network: { egress: { enabled: true } } });
  await eventually('closed', reachesSink, (reached) => !reached, 20_000);
  await ticker.until('x-env', 'env-4', 20_000);
  await expectNotRestarted();
});

test('a rotation while it is stopped is what the next start begins with', async () => {
  await redeclare({ state: 'Stopped' });
  await eventually(
    'stopped',
    () => getInstance(egress.house.place, 'life'),
    (seen) => seen?.status.state === 'Stopped' && conditionOf(seen, 'Ready') === 'True',
  );
  await declareValue('env', 'env-5');
  await redeclare({ state: 'Running' });
  const running = await egress.house.untilReady('life');
  const count = ticker.ticks().length;
  await ticker.start();
  expect(valueIn(ticker.ticks()[count], 'x-env')).toBe('env-5');
  expect(isMediated(running)).toBe(true);
});

test('when it is removed nothing of it is left: no process, no CA, no rule', async () => {
  await egress.house.remove('life');
  const traces = await eventually(
    'nothing left',
    async () =>
      (await tracesOf(egress.house.place)).filter(
        (trace) => !trace.includes('main.ts') && !trace.includes('controller.sock'),
      ),
    (left) => left.length === 0,
    20_000,
  );
  expect(traces).toEqual([]);
  expect(await readdir(`${egress.house.place.stateDir}/egress/authorities`)).toEqual([]);
});
