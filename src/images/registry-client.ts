import { runCommand } from '../host/exec.ts';
import { statIfThere } from '../host/files.ts';
import type { ManifestReader } from './resolve.ts';
import { pullFailure } from './pull-failure.ts';
import { canonicalText } from './reference.ts';
import type { ImageReference, RegistryReference } from './reference.ts';

/** How registries are spoken to; what is left out is skopeo's own default (containers-certs.d(5), registries.conf). */
export type RegistryAccess = {
  /** A docker config.json; need not exist. */
  readonly authFile: string;
  /** CA and client certificates for every registry, in place of certs.d. */
  readonly certDirectory?: string;
};

/** Manifests only, a few kB each. A registry that takes longer than this to give one is as good as down. */
const ANSWER_WITHIN_MS = 60_000;

/**
 * Reads manifests of one repository with skopeo, which also knows mirrors, credential helpers, and the host's
 * signature policy. Passwords stay in the file that skopeo is pointed to.
 */
export function registryReader(
  reference: RegistryReference,
  access: RegistryAccess,
  signal: AbortSignal,
): ManifestReader {
  const inspect = async (source: string, flags: readonly string[]): Promise<string> => {
    const certificates = access.certDirectory === undefined ? [] : ['--cert-dir', access.certDirectory];
    const args = ['inspect', ...flags, ...(await authArguments(access)), ...certificates, source];
    return runSkopeo(args, reference, { signal, timeoutMs: ANSWER_WITHIN_MS });
  };
  return {
    root: () => inspect(sourceOf(reference), ['--raw']),
    manifest: (digest) => inspect(sourceAt(reference, digest), ['--raw']),
    config: (digest) => inspect(sourceAt(reference, digest), ['--raw', '--config']),
  };
}

/** Copies an image to an OCI layout. Layers and configuration are checked against their digests on the way. */
export async function copyImage(
  source: string,
  target: { readonly layout: string; readonly scratch: string },
  options: {
    readonly reference: ImageReference;
    readonly access: RegistryAccess;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { reference, access, signal } = options;
  const certificates = access.certDirectory === undefined ? [] : ['--src-cert-dir', access.certDirectory];
  const trust = [...(await authArguments(access)), ...certificates];
  // umoci 0.4.7 unpacks gzip and plain tar only: layers of zstd are compressed anew on the way.
  const form = ['--quiet', '--dest-compress-format', 'gzip'];
  const args = ['--tmpdir', target.scratch, 'copy', ...form, ...trust, source, `oci:${target.layout}`];
  // A slow line is no failure; standing still is noticed by the watch over the layout.
  await runSkopeo(args, reference, { signal, timeoutMs: 24 * 3_600_000 });
}

/** skopeo's name of one exact image. */
export function sourceAt(reference: RegistryReference, digest: string): string {
  return `docker://${reference.repository}@${digest}`;
}

function sourceOf(reference: RegistryReference): string {
  return `docker://${canonicalText(reference)}`;
}

async function authArguments({ authFile }: RegistryAccess): Promise<readonly string[]> {
  return (await statIfThere(authFile)) === undefined ? [] : ['--authfile', authFile];
}

async function runSkopeo(
  args: readonly string[],
  reference: ImageReference,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand('skopeo', args, { ...options, exactOutput: true });
  if (exitCode !== 0) throw pullFailure(stderr, reference, canonicalText(reference));
  return stdout;
}
