import { createHash, X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import type { RunOptions } from './cli/run-options.ts';
import type { Outside } from './egress/outside.ts';
import { egressPlace } from './egress/place.ts';
import { BUNDLES } from './egress/proxy/trust-store.ts';
import { HypemanError } from './errors.ts';
import { ensureDirectory, namesIn, readIfThere, removeFile, writeAtomically } from './host/files.ts';
import type { Roots } from './machine/paths.ts';

const PREFIX = 'upstream-ca-';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * What the egress process is told of the world behind it. The operator's CAs are joined with the host's own
 * into a file of ours: the process may not read what only root may, and another content is another file, by
 * whose name a running process is seen to be out of date. Throws `BadUpstreamCa`.
 */
export async function outsideOf(
  { upstream, dns }: Pick<RunOptions, 'upstream' | 'dns'>,
  roots: Roots,
): Promise<Outside> {
  const { caFile, hosts, networks } = upstream;
  const said = { hosts, networks, ...(dns.length === 0 ? {} : { resolvers: dns }) };
  const { directory } = egressPlace(roots);
  const trust = caFile === undefined ? undefined : joined(await certificatesIn(caFile), await ownBundle());
  const name = trust === undefined ? undefined : `${PREFIX}${digestOf(trust)}.pem`;
  // The directory is passable, as the proxy's own below it are.
  if (name !== undefined) await ensureDirectory(directory, 0o711);
  for (const other of await namesIn(directory))
    if (other.startsWith(PREFIX) && other !== name) await removeFile(`${directory}/${other}`);
  if (trust === undefined || name === undefined) return said;
  await writeAtomically(`${directory}/${name}`, trust, 0o644);
  return { ...said, trustBundle: `${directory}/${name}` };
}

async function certificatesIn(path: string): Promise<readonly string[]> {
  const text = await readIfThere(path);
  if (text === undefined) throw badCa(`there is no file ${path}`);
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw badCa(`${path} holds no certificate in PEM`);
  try {
    for (const certificate of found) new X509Certificate(certificate);
  } catch (cause) {
    throw badCa(`${path} holds a certificate that cannot be read`, cause);
  }
  return found;
}

async function ownBundle(): Promise<string> {
  for (const path of BUNDLES) {
    const text = await readIfThere(path);
    if (text?.includes('BEGIN CERTIFICATE') === true) return text;
  }
  return rootCertificates.join('\n');
}

function joined(extra: readonly string[], own: string): string {
  return `${extra.join('\n')}\n${own.trimEnd()}\n`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function badCa(what: string, cause?: unknown): HypemanError {
  return new HypemanError('invalid', 'BadUpstreamCa', `--upstream-ca: ${what}`, { cause });
}
