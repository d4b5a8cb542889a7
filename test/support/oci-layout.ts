import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readIfThere } from '../../src/host/files.ts';
import { commandOutput } from '../../src/host/exec.ts';

/** `config` of an OCI image, in the spec's own spelling (image-spec, config.md). */
export type OciConfig = {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly StopSignal?: string;
};

export type OciDescriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string };
  readonly annotations?: Readonly<Record<string, string>>;
};

type Index = {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly OciDescriptor[];
};

const REF_NAME = 'org.opencontainers.image.ref.name';
const TYPE = 'application/vnd.oci.image';

/** The names that OCI and Go have for this machine's processor. */
export const hostArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

const COMPRESSIONS = {
  gzip: { suffix: '+gzip', compress: (tar: Buffer) => gzipSync(tar) },
  zstd: { suffix: '+zstd', compress: (tar: Buffer) => zstdCompressSync(tar) },
  none: { suffix: '', compress: (tar: Buffer) => tar },
} as const;

/**
 * Writes one image into an OCI layout: each tar file is one layer, lowest first. The same input gives
 * the same digest. Returns the descriptor of its manifest; `nameInLayout` makes it findable by a tag.
 */
export async function addImage(
  directory: string,
  tarFiles: readonly string[],
  config: OciConfig,
  options: { readonly architecture?: string; readonly compression?: keyof typeof COMPRESSIONS } = {},
): Promise<OciDescriptor> {
  const { architecture = hostArchitecture, compression = 'gzip' } = options;
  const { compress, suffix } = COMPRESSIONS[compression];
  const layers: OciDescriptor[] = [];
  const diffIds: string[] = [];
  for (const tarFile of tarFiles) {
    const tar = await readFile(tarFile);
    diffIds.push(digestOf(tar));
    layers.push(await addBlob(directory, `${TYPE}.layer.v1.tar${suffix}`, compress(tar)));
  }
  const configBlob = await addJson(directory, `${TYPE}.config.v1+json`, {
    created: '1970-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created_by: 'test' })),
  });
  const mediaType = `${TYPE}.manifest.v1+json`;
  const manifest = await addJson(directory, mediaType, {
    schemaVersion: 2,
    mediaType,
    config: configBlob,
    layers,
  });
  return { ...manifest, platform: { architecture, os: 'linux' } };
}

/** Joins the images of several platforms under one digest. */
export async function addIndex(
  directory: string,
  manifests: readonly OciDescriptor[],
): Promise<OciDescriptor> {
  const mediaType = `${TYPE}.index.v1+json`;
  return addJson(directory, mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** Gives an image of this layout a tag, or moves the tag to it. */
export async function nameInLayout(directory: string, tag: string, image: OciDescriptor): Promise<void> {
  const path = `${directory}/index.json`;
  const text = await readIfThere(path);
  const before = text === undefined ? [] : (JSON.parse(text) as Index).manifests;
  const others = before.filter((entry) => entry.annotations?.[REF_NAME] !== tag);
  const named = { ...image, annotations: { [REF_NAME]: tag } };
  const index: Index = { schemaVersion: 2, manifests: [...others, named] };
  await writeFile(`${directory}/oci-layout`, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(path, JSON.stringify(index));
}

/**
 * A tar file of what `fill` puts into an empty directory, as it is there: owners, modes and xattrs
 * kept, times set to the epoch so that the same tree gives the same bytes.
 */
export async function makeLayer(tarFile: string, fill: (root: string) => Promise<void>): Promise<string> {
  const root = await mkdtemp(`${tmpdir()}/hypeman-layer-`);
  try {
    await fill(root);
    const args = `--create --format=posix --pax-option=delete=atime,delete=ctime --sort=name --mtime=@0
      --numeric-owner --xattrs --xattrs-include=*`.split(/\s+/);
    await commandOutput('tar', [...args, `--file=${tarFile}`, `--directory=${root}`, '.']);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return tarFile;
}

async function addJson(directory: string, mediaType: string, value: unknown): Promise<OciDescriptor> {
  return addBlob(directory, mediaType, Buffer.from(JSON.stringify(value)));
}

async function addBlob(directory: string, mediaType: string, bytes: Buffer): Promise<OciDescriptor> {
  const digest = digestOf(bytes);
  await mkdir(`${directory}/blobs/sha256`, { recursive: true });
  await writeFile(`${directory}/blobs/${digest.replace(':', '/')}`, bytes);
  return { mediaType, digest, size: bytes.length };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
