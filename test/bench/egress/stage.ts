import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCa, newSerial } from '../../../src/egress/authority/ca.ts';
import { leafCertificate, publicKeyOf } from '../../../src/egress/authority/certificate.ts';
import { parseHostName } from '../../../src/egress/authority/host-name.ts';
import { pemOf } from '../../../src/egress/authority/pem.ts';
import type { Egress } from '../../../src/egress/egress.ts';
import { findEgress } from '../../../src/egress/launch.ts';
import { openEgress } from '../../../src/egress/open-egress.ts';
import { egressPlace } from '../../../src/egress/place.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { readBootId } from '../../../src/host/processes.ts';
import { openLog } from '../../../src/log.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { aGrant, aPolicy } from '../../support/egress-policies.ts';
import { CORES, UPSTREAM_ENTRY, endProcess, pin, startOn } from './processes.ts';

/** A loopback address of the benches' own: only port 443 is mediated, and a host may have its own on 127.0.0.1. */
export const UPSTREAM = '127.83.9.21';
/** A grant covers the first, none the second. */
export const GRANTED = 'api.bench.test';
export const SPLICED = 'plain.bench.test';
export const VALUE = 'real-value-0123456789abcdef0123456789abcdef';

export type BenchStage = {
  readonly root: string;
  /** PEM file of the upstream's CA. */
  readonly upstreamCa: string;
  readonly egress: Egress;
  /** Of our egress process, which has a core to itself; one runs once a policy is in force. */
  pinned(): Promise<number>;
  close(): Promise<void>;
};

/** An upstream and the real egress process, each on cores of its own. */
export async function openBenchStage(): Promise<BenchStage> {
  const root = mkdtempSync(`${tmpdir()}/hm-bench-`);
  chmodSync(root, 0o711);
  const upstreamCa = writeCertificates(root, [GRANTED, SPLICED]);
  const served = [GRANTED, SPLICED].map((host) => `${host}=${root}/${host}`);
  const upstream = startOn(CORES.upstream, [process.execPath, UPSTREAM_ENTRY, UPSTREAM, '2', ...served]);
  await untilListening(UPSTREAM, 443);
  const roots = { state: `${root}/state`, run: `${root}/run` };
  const bootId = await readBootId();
  const egress = await openEgress({
    ...{ roots, bootId, log: openLog('silent'), onChange: () => undefined },
    outside: {
      hosts: { [GRANTED]: [UPSTREAM], [SPLICED]: [UPSTREAM] },
      networks: [`${UPSTREAM}/32`],
      trustBundle: upstreamCa,
    },
  });
  return {
    ...{ root, upstreamCa, egress },
    pinned: async () => {
      const found = await findEgress(egressPlace(roots), bootId);
      if (found === undefined) throw new Error('there is no egress process');
      await pin(found.pid, CORES.proxy);
      return found.pid;
    },
    close: async () => {
      await egress.end();
      await endProcess(upstream);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The policy of one guest on loopback. */
export function benchPolicy(over: Partial<Policy> = {}, value = VALUE): Policy {
  const grants = [
    aGrant({ credential: 'KEY', hosts: [GRANTED], placeholder: 'mock-KEY', value: new Secret(value) }),
  ];
  return aPolicy({ guest: '127.0.0.1', grants, ...over });
}

export async function untilListening(host: string, port: number): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const socket = connect({ host, port });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket
        .once('connect', () => {
          resolve(true);
        })
        .once('error', () => {
          resolve(false);
        });
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new Error(`nobody listens on ${host}:${port}`);
}

/** A CA and a certificate of it for each host. Returns the file of the CA. */
function writeCertificates(root: string, hosts: readonly string[]): string {
  const { ca } = newCa('bench', Date.now());
  for (const host of hosts) {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 24 * 3_600_000 };
    const leaf = { host: parseHostName(host), key: publicKeyOf(keys.publicKey) };
    const der = leafCertificate(ca.issuer, leaf, newSerial(), validity);
    writeFileSync(`${root}/${host}.crt`, pemOf('CERTIFICATE', der));
    writeFileSync(`${root}/${host}.key`, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  }
  const path = `${root}/upstream-ca.pem`;
  writeFileSync(path, ca.certificate);
  chmodSync(path, 0o644);
  return path;
}
