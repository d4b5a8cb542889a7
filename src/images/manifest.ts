import { createHash } from 'node:crypto';
import { HypemanError } from '../errors.ts';
import type { ImageConfig } from '../machine/image.ts';

/** GOOS and GOARCH, as image-spec has them. */
export type Platform = { readonly os: 'linux'; readonly architecture: string };

export type ManifestEntry = {
  readonly digest: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations: Readonly<Record<string, string>>;
};

/** What stands behind a digest: one image, or a choice of images. */
export type Manifest =
  | { readonly is: 'image'; readonly configDigest: string; readonly layerBytes: number }
  | { readonly is: 'index'; readonly entries: readonly ManifestEntry[] };

/** The digest of a manifest is that of its bytes, to the last newline. */
export function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** Parses an OCI or Docker (schema 2) manifest or index. Throws the transient `ImageUnsupported`. */
export function parseManifest(text: string): Manifest {
  const value = parseObject(text, 'its manifest');
  const manifests = value.manifests;
  if (Array.isArray(manifests)) return { is: 'index', entries: manifests.filter(isObject).flatMap(entryOf) };
  const { config, layers } = value;
  if (!isObject(config) || typeof config.digest !== 'string' || !Array.isArray(layers))
    throw unsupported('its manifest is neither of the OCI format nor of Docker schema 2');
  if (typeof config.mediaType !== 'string' || !IMAGE_CONFIGS.has(config.mediaType))
    throw unsupported('it is an artifact that is not a container image');
  const sizes = layers.map((layer: unknown) => (isObject(layer) ? Number(layer.size) : 0));
  return {
    is: 'image',
    configDigest: config.digest,
    layerBytes: sizes.reduce((sum, size) => sum + (size > 0 ? size : 0), 0),
  };
}

/** The entry for this platform, the first of several (image-spec, image-index.md). Throws `PlatformUnavailable`. */
export function entryFor(entries: readonly ManifestEntry[], platform: Platform): ManifestEntry {
  const found = entries.find((entry) => isSame(entry.platform, platform));
  if (found !== undefined) return found;
  const there = entries.flatMap(({ platform: it }) =>
    it === undefined ? [] : [`${it.os}/${it.architecture}`],
  );
  throw platformUnavailable(
    platform,
    [...new Set(there)].filter((name) => name !== 'unknown/unknown').join(', '),
  );
}

/**
 * The parts of an image's configuration that a start needs, with image-spec's defaults. Throws
 * `PlatformUnavailable` when it is for another platform, `ImageUnsupported` when it cannot be read.
 */
export function parseConfig(text: string, platform: Platform): ImageConfig {
  const value = parseObject(text, 'its configuration');
  const its = { os: textIn(value, 'os'), architecture: textIn(value, 'architecture') };
  if (!isSame(its, platform)) throw platformUnavailable(platform, `${its.os}/${its.architecture}`);
  const config = isObject(value.config) ? value.config : {};
  return {
    entrypoint: textsIn(config, 'Entrypoint'),
    cmd: textsIn(config, 'Cmd'),
    env: environmentOf(textsIn(config, 'Env')),
    workdir: textIn(config, 'WorkingDir') || '/',
    user: textIn(config, 'User'),
    stopSignal: textIn(config, 'StopSignal') || 'SIGTERM',
  };
}

const IMAGE_CONFIGS = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

type Json = Readonly<Record<string, unknown>>;

function entryOf(value: Json): readonly ManifestEntry[] {
  const { digest, platform, annotations } = value;
  if (typeof digest !== 'string') return [];
  const known = isObject(platform)
    ? { platform: { os: textIn(platform, 'os'), architecture: textIn(platform, 'architecture') } }
    : {};
  const notes = Object.entries(isObject(annotations) ? annotations : {});
  const texts = notes.filter((note): note is [string, string] => typeof note[1] === 'string');
  return [{ digest, ...known, annotations: Object.fromEntries(texts) }];
}

/** As docker does: of a name given twice the last counts; one without `=` is empty. */
function environmentOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  const entries = pairs.map((pair): [string, string] => {
    const equals = pair.indexOf('=');
    return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
  });
  return Object.fromEntries(entries.filter(([name]) => name !== ''));
}

function isSame(its: ManifestEntry['platform'], ours: Platform): boolean {
  return its?.os === ours.os && its.architecture === ours.architecture;
}

function parseObject(text: string, what: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (cause) {
    throw unsupported(`${what} is not JSON`, cause);
  }
  throw unsupported(`${what} is not an object`);
}

function textIn(value: Json, name: string): string {
  const text = value[name];
  if (text === undefined || text === null) return '';
  if (typeof text !== 'string') throw unsupported(`${name} of its configuration is not a string`);
  return text;
}

function textsIn(value: Json, name: string): readonly string[] {
  const texts = value[name];
  if (texts === undefined || texts === null) return [];
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string'))
    throw unsupported(`${name} of its configuration is not a list of strings`);
  return texts;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unsupported(why: string, cause?: unknown): HypemanError {
  return new HypemanError('transient', 'ImageUnsupported', `the image cannot be used: ${why}`, { cause });
}

function platformUnavailable(platform: Platform, there: string): HypemanError {
  const wanted = `${platform.os}/${platform.architecture}`;
  return new HypemanError(
    'transient',
    'PlatformUnavailable',
    `the image does not come for ${wanted}${there === '' ? '' : `, only for ${there}`}; build or choose one for ${wanted}`,
  );
}
