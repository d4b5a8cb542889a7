import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { EGRESS_ID } from '../../src/egress/place.ts';
import { cli, eventually } from '../support/controller-process.ts';
import { mediatedSpec, openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import { filesWith, formsOf, holdsAny, isInMemory, processesWith } from '../support/egress-vm-search.ts';
import { valuesOf } from '../support/egress-upstream.ts';
import { machinesOf } from '../support/machines.ts';

/**
 * A marked secret is declared, used, rotated and deleted; then it is looked for everywhere. It may be found
 * in the declaration's own file and in the memory of the proxy and of the controller.
 */
let egress: EgressHouse;

const mark = randomBytes(9).toString('hex');
const VALUES = [`canary-first-${mark}`, `canary-second-${mark}`];
const FORMS = VALUES.flatMap(formsOf);
/** A program that prints what it was given. */
const PROGRAM = { entrypoint: ['/bin/sh', '-c'], cmd: ['env; exec sleep infinity'], size: '384MB' };
const METRICS = `127.0.0.1:${20_000 + (process.pid % 20_000)}`;

beforeAll(async () => {
  egress = await openEgressHouse('10.125.0.0/24', 'some', ['--listen', METRICS, '--log-level', 'debug']);
  await egress.declareClients('canary', { ...mediatedSpec({ value: VALUES[0] ?? '' }), ...PROGRAM });
  await egress.untilUp('canary');
  await use('first', VALUES[0] ?? '');
  await egress.declareClients('canary', { ...mediatedSpec({ value: VALUES[1] ?? '' }), ...PROGRAM });
  await eventually(
    'the rotation',
    () => use('second').catch(() => undefined),
    (values) => values?.[0] === `Bearer ${VALUES[1] ?? ''}`,
    30_000,
  );
}, 400_000);

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await egress.house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await egress.close();
});

let uses = 0;
/** One request, both ways in turn; what the upstream got in the header. */
async function use(name: string, expected?: string): Promise<readonly string[]> {
  uses += 1;
  const url = `https://api.test/echo?case=${name}-${uses}.`;
  const { stdout } = await egress.inGuest(
    'canary',
    `curl -sS '${url}' && unset https_proxy && curl -sS '${url}'`,
  );
  expect(stdout).toBe('okok');
  const values = egress.internet
    .requests(`case=${name}-${uses}.`)
    .flatMap(({ rawHeaders }) => valuesOf(rawHeaders, 'authorization'));
  if (expected !== undefined) expect(values).toEqual([`Bearer ${expected}`, `Bearer ${expected}`]);
  return values;
}

async function proxyPid(): Promise<number> {
  const text = await readFile(`${egress.house.place.stateDir}/egress/process.json`, 'utf8');
  return (JSON.parse(text) as { pid: number }).pid;
}

test('the search finds what is there: in the declaration, the proxy and the controller', async () => {
  const { place } = egress.house;
  expect(await filesWith(FORMS, place.watchDir)).toEqual([`${place.watchDir}/canary.yaml`]);
  expect(await isInMemory(await proxyPid(), FORMS)).toBe(true);
  expect(await isInMemory(egress.house.controller().child.pid ?? 0, FORMS)).toBe(true);
});

test('the guest’s memory and its VMM’s do not hold it; they hold the placeholder', async () => {
  const [machine] = await machinesOf(egress.house.place);
  const pid = machine?.pid ?? 0;
  expect(await isInMemory(pid, [Buffer.from('API_KEY=mock-API_KEY')])).toBe(true);
  expect(await isInMemory(pid, FORMS)).toBe(false);
});

test('no file under the state and run directories holds it: disks, boot archive, records, status, logs', async () => {
  const { stateDir, runDir } = egress.house.place;
  expect(await filesWith([Buffer.from('mock-API_KEY')], stateDir)).not.toEqual([]);
  expect(await filesWith(FORMS, stateDir, runDir)).toEqual([]);
});

test('the controller’s own log, at its most talkative, does not hold it', async () => {
  const log = await readFile(egress.house.controller().logPath);
  expect(log.length).toBeGreaterThan(1000);
  expect(holdsAny(log, FORMS)).toBe(false);
});

test('nothing that the command line prints holds it', async () => {
  for (const command of [
    ['get', '-o', 'yaml'],
    ['get', '-o', 'json'],
    ['get', '-o', 'wide'],
    ['describe', 'canary'],
    ['logs', 'canary'],
    ['logs', 'canary', '--source', 'vmm'],
    ['egress'],
    ['egress', 'canary'],
    ['plan', `${egress.house.place.watchDir}/canary.yaml`],
    ['validate', `${egress.house.place.watchDir}/canary.yaml`],
  ]) {
    const { stdout, stderr } = await cli(egress.house.place, ...command);
    if (!command.includes('vmm')) expect(`${stdout}${stderr}`, command.join(' ')).not.toBe('');
    expect(holdsAny(Buffer.from(`${stdout}${stderr}`), FORMS), command.join(' ')).toBe(false);
  }
});

test('the metrics tell of it and do not hold it', async () => {
  const text = await (await fetch(`http://${METRICS}/metrics`)).text();
  expect(text).toContain('egress');
  expect(holdsAny(Buffer.from(text), FORMS)).toBe(false);
});

test('no process of the host has it in its arguments or its environment', async () => {
  expect(await processesWith(FORMS)).toEqual([]);
});

test('the proxy leaves no core file, and only root may look into it', async () => {
  const pid = await proxyPid();
  expect(await readFile(`/proc/${pid}/limits`, 'utf8')).toMatch(/Max core file size\s+0\s+0\s/);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  expect(status).toContain(`Uid:\t${EGRESS_ID}\t`);
  // proc(5): a process that is not dumpable belongs to root there, and no core handler gets it either.
  expect((await stat(`/proc/${pid}/environ`)).uid).toBe(0);
});

test('after its removal no trace is left in files or processes', async () => {
  const { stateDir, runDir, watchDir } = egress.house.place;
  const pid = await proxyPid();
  await egress.house.remove('canary');
  expect(await filesWith(FORMS, stateDir, runDir, watchDir)).toEqual([]);
  expect(await processesWith(FORMS)).toEqual([]);
  await eventually(
    'the end of the proxy',
    () => stat(`/proc/${pid}`).catch(() => undefined),
    (seen) => seen === undefined,
  );
});
