import { symlink, writeFile } from 'node:fs/promises';
import { HypemanError } from '../errors.ts';
import { ensureDirectory, readIfThere } from '../host/files.ts';
import { digestOf, parseManifest } from './manifest.ts';
import type { ManifestEntry } from './manifest.ts';
import { canonicalText } from './reference.ts';
import type { LayoutReference } from './reference.ts';
import type { ManifestReader } from './resolve.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Reads manifests of an OCI layout on this host (image-spec, image-layout.md). */
export function layoutReader(reference: LayoutReference): ManifestReader {
  const manifest = (digest: string): Promise<string> => readBlob(reference, digest);
  return {
    root: () => readRoot(reference),
    manifest,
    config: async (digest) => {
      const image = parseManifest(await manifest(digest));
      if (image.is === 'index') throw notFound(reference, `${digest} is an index, not an image`);
      return readBlob(reference, image.configDigest);
    },
  };
}

/**
 * Makes a layout in `directory` that holds one image of another layout, by its digest: skopeo finds images
 * of a layout by tag alone, and a tag may have moved. The blobs are the other's. Returns skopeo's name of it.
 */
export async function layoutOfOne(
  reference: LayoutReference,
  digest: string,
  directory: string,
): Promise<string> {
  const text = await readBlob(reference, digest);
  await ensureDirectory(directory);
  await symlink(`${reference.directory}/blobs`, `${directory}/blobs`);
  await writeFile(`${directory}/oci-layout`, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const descriptor = {
    mediaType: mediaTypeOf(text),
    digest,
    size: Buffer.byteLength(text),
    annotations: { [REF_NAME]: 'image' },
  };
  await writeFile(`${directory}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  return `oci:${directory}:image`;
}

/** What the reference's tag names; without a tag all that the layout holds, as long as that is one image or index. */
async function readRoot(reference: LayoutReference): Promise<string> {
  const path = `${reference.directory}/index.json`;
  const text = await readIfThere(path);
  if (text === undefined) throw notFound(reference, `there is no OCI layout in ${reference.directory}`);
  const index = parseManifest(text);
  if (index.is !== 'index') throw notFound(reference, `${path} is not an index`);
  const entry = onlyEntry(reference, index.entries);
  return entry === undefined ? text : readBlob(reference, entry.digest);
}

function onlyEntry(reference: LayoutReference, entries: readonly ManifestEntry[]): ManifestEntry | undefined {
  const tags = entries.flatMap(({ annotations }) => annotations[REF_NAME] ?? []);
  const wanted = reference.tag ?? 'latest';
  const named = entries.find(({ annotations }) => annotations[REF_NAME] === wanted);
  if (named !== undefined) return named;
  if (reference.tag === undefined && entries.length === 1) return entries[0];
  // Untagged entries are the platforms of one image.
  if (reference.tag === undefined && tags.length === 0 && entries.length > 1) return undefined;
  const there = tags.length === 0 ? 'it has no tags' : `it has ${tags.slice(0, 10).join(', ')}`;
  throw notFound(reference, `the OCI layout ${reference.directory} has no tag ${wanted}: ${there}`);
}

async function readBlob(reference: LayoutReference, digest: string): Promise<string> {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw notFound(reference, `"${digest}" is not a sha256 digest`);
  const path = `${reference.directory}/blobs/${digest.replace(':', '/')}`;
  const text = await readIfThere(path);
  if (text === undefined) throw notFound(reference, `${reference.directory} has no image ${digest}`);
  if (digestOf(text) !== digest)
    throw notFound(reference, `${path} is damaged: it is not what its name says`);
  return text;
}

function mediaTypeOf(manifest: string): string {
  const value: unknown = JSON.parse(manifest);
  const given =
    typeof value === 'object' && value !== null && 'mediaType' in value ? value.mediaType : undefined;
  return typeof given === 'string' ? given : 'application/vnd.oci.image.manifest.v1+json';
}

function notFound(reference: LayoutReference, why: string): HypemanError {
  return new HypemanError('transient', 'ImageNotFound', `${canonicalText(reference)} cannot be used: ${why}`);
}
