import { readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Egress } from '../../../src/egress/egress.ts';
import { EGRESS_ID } from '../../../src/egress/place.ts';
import { commandOutput } from '../../../src/host/exec.ts';
import { isAlive, readBootId } from '../../../src/host/processes.ts';
import type { ProcessIdentity } from '../../../src/machine/machine.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { aGrant, aGrantWithoutValue, aPolicy } from '../../support/egress-policies.ts';
import { isListening, openEgressStage } from '../../support/egress-stage.ts';
import type { EgressStage } from '../../support/egress-stage.ts';

const CANARY = 'canary-c0ffee-d00d';
const bootId = await readBootId();
let stage: EgressStage;

beforeEach(() => {
  stage = openEgressStage(bootId);
});
afterEach(() => stage.close());

function policyWithCanary(generation = 1) {
  return aPolicy({ generation, grants: [aGrant({ value: new Secret(CANARY) })] });
}

function statusOf({ pid }: ProcessIdentity, field: string): string {
  return (
    new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
  );
}

/** The process dies, and another one is there. */
async function replaceProcess(egress: Egress): Promise<void> {
  process.kill((await stage.process()).pid, 'SIGKILL');
  await expect.poll(() => egress.problem(), { timeout: 5000, interval: 5 }).toBeDefined();
  await expect.poll(() => egress.problem(), { timeout: 20_000 }).toBeUndefined();
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
}

test('the process is nobody: no root, no capability, nothing to gain, no core', async () => {
  await stage.mediatingController();
  const process = await stage.process();
  for (const which of ['Uid', 'Gid'])
    expect(statusOf(process, which).split('\t')).toEqual(new Array(4).fill(String(EGRESS_ID)));
  expect(statusOf(process, 'Groups').trim()).toBe('');
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
    expect(statusOf(process, set)).toBe('0000000000000000');
  expect(statusOf(process, 'NoNewPrivs')).toBe('1');
  expect(readFileSync(`/proc/${process.pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0/m);
});

test('its socket and its keys are behind directories that only it and root may enter', async () => {
  const egress = await stage.controller();
  await egress.put(aPolicy(), 'r');
  const place = stage.place;
  for (const directory of [place.socketDirectory, place.authorities]) {
    const { uid, mode } = statSync(directory);
    expect([uid, mode & 0o777]).toEqual([EGRESS_ID, 0o700]);
  }
  expect(statSync(place.directory).uid).toBe(0);
  expect(statSync(place.log).mode & 0o777).toBe(0o600);
});

test('a policy that is put has listeners and a certificate', async () => {
  const egress = await stage.controller();
  const answer = await egress.put(aPolicy({ generation: 4 }), 'r1');
  expect(egress.inForce('instance-a')).toEqual(answer);
  expect(answer.generation).toBe(4);
  expect(new X509Certificate(answer.certificate).ca).toBe(true);
  for (const port of Object.values(answer.ports)) expect(await isListening(port)).toBe(true);
  expect((await egress.put(aPolicy({ generation: 5 }), 'r2')).ports).toEqual(answer.ports);
});

test('what is removed is not listened for; what is forgotten leaves no file', async () => {
  const egress = await stage.controller();
  await egress.put(aPolicy({ instance: 'instance-b' }), 'r1');
  const { ports } = await egress.put(aPolicy(), 'r1');
  await egress.remove('instance-a');
  expect(egress.inForce('instance-a')).toBeUndefined();
  for (const port of Object.values(ports)) expect(await isListening(port)).toBe(false);
  expect(await egress.known()).toEqual(['instance-a', 'instance-b']);
  await egress.remove('instance-a', { forget: true });
  expect(await egress.known()).toEqual(['instance-b']);
  expect(readdirSync(stage.place.authorities)).toEqual(['instance-b']);
});

test('a restarted controller finds process and policies again and disturbs neither', async () => {
  const first = await stage.controller();
  const before = await first.put(aPolicy(), 'r1');
  const process = await stage.process();
  await first.close();
  expect(await isListening(before.ports.tls)).toBe(true);
  const second = await stage.controller();
  expect(await stage.process()).toEqual(process);
  expect(second.inForce('instance-a')).toEqual(before);
  expect(stage.rung).toContain('instance-a');
  expect(await second.put(aPolicy(), 'r1')).toEqual(before);
});

test('a process that nobody recorded is found, not doubled', async () => {
  const first = await stage.mediatingController();
  const process = await stage.process();
  await first.close();
  rmSync(stage.place.identity);
  await stage.controller();
  expect(await stage.process()).toEqual(process);
});

test('a killed process is followed by another with every policy, and the same CA', async () => {
  const egress = await stage.controller();
  const before = await egress.put(policyWithCanary(), 'r1');
  const killed = await stage.process();
  process.kill(killed.pid, 'SIGKILL');
  await expect.poll(() => egress.problem(), { timeout: 5000, interval: 5 }).toBeDefined();
  expect(egress.inForce('instance-a')).toBeUndefined();
  await expect.poll(() => egress.inForce('instance-a')?.revision, { timeout: 20_000 }).toBe('r1');
  await expect.poll(() => egress.problem()).toBeUndefined();
  expect((await stage.process()).pid).not.toBe(killed.pid);
  const after = egress.inForce('instance-a');
  expect(after?.certificate).toBe(before.certificate);
  expect(await isListening(after?.ports.tls ?? 0)).toBe(true);
  expect(stage.rung.filter((instance) => instance === 'instance-a').length).toBeGreaterThanOrEqual(2);
});

test('a value that is missing is given to the next process by who knows it, and by nobody else', async () => {
  const first = await stage.controller();
  await first.put(policyWithCanary(), 'r1');
  const lacking = aPolicy({ grants: [aGrantWithoutValue()] });
  expect(await first.put(lacking, 'r2')).toMatchObject({ revision: 'r2', lacking: [] });
  await replaceProcess(first);
  expect(first.inForce('instance-a')).toMatchObject({ revision: 'r2', lacking: [] });
  await first.close();
  const second = await stage.controller();
  expect(second.inForce('instance-a')).toMatchObject({ revision: 'r2', lacking: [] });
  expect(await second.put({ ...lacking, mode: 'offered' }, 'r3')).toMatchObject({ lacking: [] });
  await replaceProcess(second);
  expect(second.inForce('instance-a')).toMatchObject({ revision: 'r3', lacking: ['OPENAI_KEY'] });
  expect(await second.put(policyWithCanary(), 'r4')).toMatchObject({ lacking: [] });
});

test('a policy that the process refused is not put into the next one', async () => {
  const egress = await stage.mediatingController();
  const unbindable = aPolicy({ instance: 'instance-c', gateway: '192.0.2.7' });
  await expect(egress.put(unbindable, 'r1')).rejects.toThrow();
  stage.rung.length = 0;
  await replaceProcess(egress);
  expect(stage.rung).not.toContain('instance-c');
});

test('a policy that is put while there is no process is in force as soon as there is one', async () => {
  const egress = await stage.mediatingController();
  process.kill((await stage.process()).pid, 'SIGKILL');
  await expect.poll(() => egress.problem(), { timeout: 5000, interval: 5 }).toBeDefined();
  await expect(egress.put(aPolicy(), 'r2')).rejects.toMatchObject({
    reason: 'ProxyUnavailable',
    fate: 'transient',
  });
  await expect.poll(() => egress.inForce('instance-a')?.revision, { timeout: 20_000 }).toBe('r2');
});

test('a process that hangs is replaced by the next controller', async () => {
  const first = await stage.controller();
  await first.put(aPolicy(), 'r1');
  await first.close();
  const hung = await stage.process();
  process.kill(hung.pid, 'SIGSTOP');
  const second = await stage.controller();
  expect(await isAlive(hung, bootId)).toBe(false);
  expect(second.problem()).toBeUndefined();
  expect(second.inForce('instance-a')).toBeUndefined();
});

test('it ends when it is asked to, and leaves no socket', async () => {
  const egress = await stage.controller();
  await egress.put(aPolicy(), 'r1');
  const process = await stage.process();
  await egress.end();
  expect(await isAlive(process, bootId)).toBe(false);
  expect(readdirSync(stage.place.socketDirectory)).toEqual([]);
});

test('nobody but root and the process itself can talk to it', async () => {
  await stage.mediatingController();
  const { socket } = stage.place;
  const script = `require('net').connect(${JSON.stringify(socket)}).on('error', (e) => console.log(e.code)).on('connect', function () { console.log('in'); this.destroy(); })`;
  const as = (uid: number): Promise<string> =>
    commandOutput('setpriv', [`--reuid=${uid}`, '--clear-groups', '--', 'node', '-e', script]);
  expect(await as(65_534)).toBe('EACCES');
  expect(await as(EGRESS_ID + 1)).toBe('EACCES');
  expect(await as(EGRESS_ID)).toBe('in');
});

test('a value is in no file, no log, no argument and no environment', async () => {
  const egress = await stage.controller();
  await egress.put(policyWithCanary(), 'r1');
  await egress.put(policyWithCanary(2), 'r2');
  const spoiled = aPolicy({ grants: [aGrant({ value: new Secret(`${CANARY}\n`) })] });
  const error: unknown = await egress.put(spoiled, 'r3').catch((thrown: unknown) => thrown);
  expect(String(error)).toContain('value');
  const { pid } = await stage.process();
  const said = JSON.stringify([await egress.counters(), egress.inForce('instance-a'), await egress.known()]);
  const read = [...filesBelow(stage.root), `/proc/${pid}/cmdline`, `/proc/${pid}/environ`];
  expect(read.some((path) => path.endsWith('process.log'))).toBe(true);
  for (const path of read) expect(readFileSync(path, 'latin1'), path).not.toContain(CANARY);
  expect(`${said}${String(error)}`).not.toContain(CANARY);
});
