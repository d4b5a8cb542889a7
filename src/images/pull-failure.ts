import { HypemanError } from '../errors.ts';
import { saysDiskFull } from '../host/disk-space.ts';
import type { ImageReference } from './reference.ts';

const MINUTE = 60_000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 5 * MINUTE;

/**
 * What skopeo's last words mean. In this order: a timed-out handshake is no certificate problem, and a
 * registry that is asked too often may answer 403 with that text. The phrases are those of
 * containers/image 5.22, of the distribution registry's error codes (distribution, errcode), and of Go's net
 * and crypto/x509.
 */
const MEANINGS: readonly (readonly [reason: string, says: RegExp])[] = [
  ['RegistryRateLimited', /toomanyrequests|too many requests|\b429\b|rate limit/i],
  ['RegistryUnreachable', /tls handshake timeout/i],
  ['RegistryTlsError', /x509:|tls:|certificate|server gave HTTP response to HTTPS client/i],
  ['PlatformUnavailable', /no image found in .*(?:for|with) (?:architecture|platform)/i],
  [
    'RegistryDenied',
    /unauthorized|authentication required|denied|forbidden|\b40[13]\b|invalid username\/password/i,
  ],
  [
    'ImageNotFound',
    /manifest unknown|name unknown|blob unknown|repository name not known|not found|\b404\b/i,
  ],
  [
    'RegistryUnreachable',
    /connection refused|no such host|i\/o timeout|no route to host|network is unreachable|connection reset|\bEOF\b|timeout|temporary failure|deadline exceeded|broken pipe|\b5\d\d\b|pinging container registry/i,
  ],
];

/** The shortest wait after each failure: only what the network may mend in a second starts at a second. */
const PATIENCE_MS: Readonly<Record<string, number>> = {
  ImageNotFound: MINUTE,
  RegistryDenied: MINUTE,
  RegistryRateLimited: 5 * MINUTE,
  RegistryTlsError: MINUTE,
  PlatformUnavailable: 5 * MINUTE,
  ImageUnsupported: 5 * MINUTE,
  DiskFull: 10_000,
  ToolMissing: 30_000,
};

/** How long to wait after the nth failure in a row (from 1): doubling from a second, or the reason's own, to five minutes. */
export function retryDelayMs(reason: string, failures: number): number {
  const doubled = FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20);
  return Math.max(PATIENCE_MS[reason] ?? FIRST_RETRY_MS, Math.min(doubled, LAST_RETRY_MS));
}

/** skopeo's stderr as an error for the user. `DiskFull` without its path: the caller knows that. */
export function pullFailure(stderr: string, reference: ImageReference, text: string): HypemanError {
  const said = lastWords(stderr);
  if (saysDiskFull(said)) return new HypemanError('transient', 'DiskFull', said);
  const plain = withoutNames(said, reference);
  const reason = MEANINGS.find(([, says]) => says.test(plain))?.[0] ?? 'PullFailed';
  return new HypemanError('transient', reason, messageFor(reason, reference, text, said), {
    facts: { said },
  });
}

/** From Go's `level=fatal msg="…"` the message; queries are cut from addresses, for they may be signed. */
export function lastWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const quoted = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  const message = quoted === undefined ? line : quoted.replace(/\\(.)/g, '$1');
  return message.replace(/\?[^\s"]*/g, '?…').slice(-400);
}

/** A repository may be called `denied` or `certificate`: its own names are no part of the answer. */
function withoutNames(said: string, reference: ImageReference): string {
  const bare = said.replace(/"(?:docker|oci|https?):[^"]*"/g, '');
  if (reference.from === 'layout') return bare.replaceAll(reference.directory, '');
  const names = [
    reference.repository,
    reference.repository.slice(reference.domain.length + 1),
    reference.domain,
  ];
  const without = names.reduce((rest, name) => rest.replaceAll(name, ''), bare);
  return without.replace(`reading manifest ${reference.tag} in`, '');
}

function messageFor(reason: string, reference: ImageReference, text: string, said: string): string {
  const where = reference.from === 'layout' ? reference.directory : reference.domain;
  const messages: Readonly<Record<string, string>> = {
    ImageNotFound: `${where} has no image ${text}: push it, or correct the name`,
    RegistryDenied: `${where} refuses to give ${text}: correct the name, or give this Instance credentials for it (spec.imagePullSecrets), or this host (docker login)`,
    RegistryRateLimited: `${where} allows no more pulls for now: wait, or give this host credentials with a higher limit (docker login)`,
    RegistryUnreachable: `${where} cannot be reached for ${text}: ${said}`,
    RegistryTlsError: `${where} cannot be trusted: ${said}; its authority's certificate belongs into /etc/containers/certs.d/${where}/ca.crt`,
    PlatformUnavailable: `${text} does not come for the processor of this host`,
  };
  return messages[reason] ?? `${text} cannot be pulled: ${said}`;
}
