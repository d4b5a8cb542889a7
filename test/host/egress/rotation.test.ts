import { mkdtempSync, chmodSync, rmSync, writeFileSync } from 'node:fs';
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:https';
import type { Server } from 'node:https';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newCa, newSerial } from '../../../src/egress/authority/ca.ts';
import { leafCertificate, publicKeyOf } from '../../../src/egress/authority/certificate.ts';
import { parseHostName } from '../../../src/egress/authority/host-name.ts';
import { pemOf } from '../../../src/egress/authority/pem.ts';
import type { Egress, Followed } from '../../../src/egress/egress.ts';
import { openEgress } from '../../../src/egress/open-egress.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { readBootId } from '../../../src/host/processes.ts';
import { openLog } from '../../../src/log.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { aGrant, aPolicy } from '../../support/egress-policies.ts';

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
    (asked, answer) =>
      answer.end(`saw ${(asked.headers.authorization ?? 'nothing').split('').reverse().join('')}`),
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
  const [answer] = (await once(asking, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const chunk of answer) text += chunk.toString();
  return text.replace(/^saw /, '').split('').reverse().join('');
}

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
