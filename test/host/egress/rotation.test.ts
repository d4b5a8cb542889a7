import { mkdtempSync, chmodSync, rmSync, writeFileSync } from 'node:fs';
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:https';
import type { Server } from 'node:https';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newCa, newSerial } from '../../../src/egress/authority/ca.ts';
import { leafCertificate, publicKeyOf } from '../../../src/egress/authority/certificate.ts';
import { parseHostName } from '../../../src/egress/authority/host-name.ts';
import { pemOf } from '../../../src/egress/authority/pem.ts';
import type { Egress, Followed, InForce } from '../../../src/egress/egress.ts';
import { openEgress } from '../../../src/egress/open-egress.ts';
import type { Grant, Policy } from '../../../src/egress/policy.ts';
import { readBootId } from '../../../src/host/processes.ts';
import { openLog } from '../../../src/log.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { aGrant, aGrantWithoutValue, aPolicy } from '../../support/egress-policies.ts';

/** Nobody else listens there: only port 443 is mediated, and a host may have its own on 127.0.0.1. */
const UPSTREAM = '127.83.7.21';
const HOST = 'api.example.com';
const root = mkdtempSync(`${tmpdir()}/hm-rotation-`);
let upstream: Server;
let egress: Egress;

beforeAll(async () => {
  chmodSync(root, 0o711);
  const { ca } = newCa('upstream', Date.now());
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = { host: parseHostName(HOST), key: publicKeyOf(keys.publicKey) };
  const validity = { notBefore: Date.now() - 1000, notAfter: Date.now() + 3_600_000 };
  upstream = createServer(
    {
      key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: pemOf('CERTIFICATE', leafCertificate(ca.issuer, leaf, newSerial(), validity)),
    },
    ({ headers: { authorization = 'nothing', 'x-other': other } }, answer) => {
      const seen = other === undefined ? authorization : `${authorization} ${String(other)}`;
      answer.end(`saw ${seen.split('').reverse().join('')}`);
    },
  ).listen(443, UPSTREAM);
  await once(upstream, 'listening');
  writeFileSync(`${root}/upstream.pem`, ca.certificate);
  chmodSync(`${root}/upstream.pem`, 0o644);
  egress = await openEgress({
    roots: { state: `${root}/state`, run: `${root}/run` },
    bootId: await readBootId(),
    log: openLog('silent'),
    outside: {
      hosts: { [HOST]: [UPSTREAM] },
      networks: [`${UPSTREAM}/32`],
      trustBundle: `${root}/upstream.pem`,
    },
    onChange: () => undefined,
  });
  // With the last policy the process would end, and what it counted.
  await egress.put(aPolicy({ instance: 'instance-b' }), 'r1');
});
afterAll(async () => {
  await egress.end();
  upstream.closeAllConnections();
  upstream.close();
  rmSync(root, { recursive: true });
});

function policyOf(value: string, generation: number): Policy {
  const grants = [aGrant({ hosts: [HOST], value: new Secret(value) })];
  return aPolicy({ guest: '127.0.0.1', generation, grants });
}

/** A tunnel as any client of an HTTP proxy opens one. */
async function tunnel(port: number): Promise<Socket> {
  const target = `${HOST}:443`;
  const how = { port, host: '127.0.0.1', method: 'CONNECT', path: target, headers: { host: target } };
  const asking = request(how).end();
  const [, socket] = (await once(asking, 'connect')) as [unknown, Socket];
  return socket;
}

/** What upstream saw, said backwards: the proxy scrubs a value that comes straight back. */
async function ask(agent: Agent): Promise<string> {
  const asking = get({ agent, host: HOST, headers: { authorization: 'Bearer mock-OPENAI_KEY' } });
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  let text = answer.statusCode === 200 ? '' : `${String(answer.statusCode)} `;
  for await (const chunk of answer as AsyncIterable<Buffer>) text += chunk.toString();
  return text.replace(/^saw /, '').split('').reverse().join('');
}

/** One connection to HOST through the proxy, and what upstream sees of each request on it. */
async function connection({ ports, certificate }: InForce): Promise<() => Promise<string>> {
  const socket = connect({ socket: await tunnel(ports.explicit), servername: HOST, ca: certificate });
  await once(socket, 'secureConnect');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => socket;
  return () => ask(agent);
}

test('while one value is missing, it goes on, and another is rotated and taken away', async () => {
  const missing = aGrantWithoutValue({ hosts: [HOST] });
  const other = { credential: 'OTHER', sourceEnv: 'REAL_OTHER', header: 'x-other', format: '${value}' };
  const otherAs = (value: string): Grant => aGrant({ ...other, hosts: [HOST], value: new Secret(value) });
  const policyWith = (generation: number, ...grants: readonly Grant[]): Policy => ({
    ...policyOf('first', generation),
    grants,
  });
  const all = policyWith(1, aGrant({ hosts: [HOST], value: new Secret('first') }), otherAs('o1'));
  const asked = await connection(await egress.put(all, 'p1'));
  expect(await asked()).toBe('Bearer first o1');
  expect((await egress.put(policyWith(2, missing, otherAs('o2')), 'p2')).lacking).toEqual([]);
  expect(await asked()).toBe('Bearer first o2');
  await egress.put(policyWith(3, missing), 'p3');
  expect(await asked()).toBe('Bearer first');
  // Its own rules narrow at once, and the value does not come back where it was taken away.
  const elsewhere = { ...missing, hosts: ['elsewhere.example.com'] };
  expect((await egress.put(policyWith(4, elsewhere), 'p4')).lacking).toEqual(['OPENAI_KEY']);
  const again = await egress.put(policyWith(5, missing), 'p5');
  expect(again.lacking).toEqual(['OPENAI_KEY']);
  const refused = await connection(again);
  expect(await refused()).toMatch(/ 305$/);
  await egress.put(policyOf('second', 6), 'p6');
  expect(await (await connection(again))()).toBe('Bearer second');
  await egress.remove('instance-a', { forget: true });
});

test('the value arrives, the next one on the same connection, and after a removal none', async () => {
  const { ports, certificate } = await egress.put(policyOf('first', 1), 'r1');
  const socket = connect({ socket: await tunnel(ports.explicit), servername: HOST, ca: certificate });
  await once(socket, 'secureConnect');
  expect(socket.getPeerX509Certificate()?.checkIssued(new X509Certificate(certificate))).toBe(true);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => socket;
  expect(await ask(agent)).toBe('Bearer first');
  await egress.put(policyOf('second', 2), 'r2');
  expect(await ask(agent)).toBe('Bearer second');
  const closed = once(socket, 'close');
  await egress.remove('instance-a');
  await closed;
  await expect(tunnel(ports.explicit)).rejects.toThrow();
});

test('what was decided is counted and told, without a value', async () => {
  await egress.put(policyOf('third', 3), 'r3');
  const stop = AbortSignal.timeout(5000);
  const told: Followed[] = [];
  for await (const one of egress.decisions({ instance: 'instance-a', follow: false, signal: stop }))
    told.push(one);

  expect(told.length).toBeGreaterThanOrEqual(2);
  const counters = await egress.counters('instance-a');
  expect(counters[0]?.credentials.OPENAI_KEY).toMatchObject({ injected: 2 });
  expect(JSON.stringify([told, counters])).not.toMatch(/first|second|third/);
});
