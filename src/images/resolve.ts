import type { ImageConfig } from '../machine/image.ts';
import { HypemanError } from '../errors.ts';
import { digestOf, entryFor, parseConfig, parseManifest } from './manifest.ts';
import type { Platform } from './manifest.ts';

/** Reads the small parts of images, to the byte; each throws as a pull fails. */
export type ManifestReader = {
  /** The manifest or index that the reference names now. */
  root(): Promise<string>;
  manifest(digest: string): Promise<string>;
  /** The configuration of the image with this manifest digest. */
  config(digest: string): Promise<string>;
};

export type Measured = { readonly layerBytes: number; readonly config: ImageConfig };

/**
 * The digest of the image manifest for this platform: the exact content that is pinned, and what `docker
 * buildx imagetools inspect` shows for the platform. One question to the registry.
 */
export async function resolveDigest(reader: ManifestReader, platform: Platform): Promise<string> {
  const text = await reader.root();
  const manifest = parseManifest(text);
  return manifest.is === 'image' ? digestOf(text) : entryFor(manifest.entries, platform).digest;
}

/** What must be known before layers are fetched: how much, and whether the image is for this host at all. */
export async function measure(reader: ManifestReader, digest: string, platform: Platform): Promise<Measured> {
  const manifest = parseManifest(await reader.manifest(digest));
  if (manifest.is === 'index')
    throw new HypemanError('transient', 'ImageUnsupported', `${digest} is an index inside an index`);
  return { layerBytes: manifest.layerBytes, config: parseConfig(await reader.config(digest), platform) };
}
