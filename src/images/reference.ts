import { HypemanError } from '../errors.ts';

/** An image in a registry. `repository` begins with the domain; `tag` says nothing when there is a digest. */
export type RegistryReference = {
  readonly from: 'registry';
  readonly domain: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
};

/** An image in an OCI layout (image-spec, image-layout.md) on this host. */
export type LayoutReference = { readonly from: 'layout'; readonly directory: string; readonly tag?: string };

export type ImageReference = RegistryReference | LayoutReference;

const DEFAULT_DOMAIN = 'docker.io';
const DEFAULT_TAG = 'latest';
/** The grammar of distribution/reference (regexp.go): domain, path component, tag, digest. */
const DOMAIN = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** distribution/reference, NameTotalLengthMax. */
const NAME_MAX = 255;

/**
 * `nginx`, `registry.example.com/team/app:v1`, `localhost:5000/app@sha256:…`, `oci:/srv/images/app:v1`. What is left out is
 * what docker means: docker.io, library/, latest. Throws the `invalid` `InvalidImageReference`.
 */
export function parseReference(text: string): ImageReference {
  return text.startsWith('oci:') ? parseLayout(text) : parseRegistry(text);
}

/** One text for all spellings of one reference; parses back to the same. */
export function canonicalText(reference: ImageReference): string {
  if (reference.from === 'layout')
    return `oci:${reference.directory}${reference.tag === undefined ? '' : `:${reference.tag}`}`;
  const { repository, tag, digest } = reference;
  return digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
}

/** Where the image is, without which one of them: `docker.io/library/nginx`, `oci:/srv/images`. */
export function placeOf(reference: ImageReference): string {
  return reference.from === 'layout' ? `oci:${reference.directory}` : reference.repository;
}

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

function parseLayout(text: string): LayoutReference {
  const rest = text.slice('oci:'.length);
  const colon = rest.indexOf(':');
  const directory = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (!directory.startsWith('/')) throw refused(text, 'the directory after oci: must be an absolute path');
  if (/(?:^|\/)\.\.(?:\/|$)|\0/.test(directory))
    throw refused(text, 'the directory after oci: must not contain ..');
  if (tag !== undefined && !TAG.test(tag)) throw refused(text, `"${tag}" is not a tag`);
  const clean = directory.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
  return { from: 'layout', directory: clean, ...(tag === undefined ? {} : { tag }) };
}

function parseRegistry(text: string): RegistryReference {
  if (text.includes('://')) throw refused(text, 'leave out the scheme before ://');
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0) throw refused(text, 'it has more than one @');
  if (digest !== undefined && !DIGEST.test(digest))
    throw refused(text, 'after @ there must be sha256: and 64 digits of 0-9a-f');
  const lastColon = named.lastIndexOf(':');
  // A colon before the last slash belongs to the port.
  const hasTag = lastColon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(lastColon + 1) : DEFAULT_TAG;
  if (!TAG.test(tag)) throw refused(text, `"${tag}" is not a tag`);
  const { domain, path } = splitName(hasTag ? named.slice(0, lastColon) : named);
  checkName(text, domain, path);
  const repository = `${domain}/${path}`;
  return { from: 'registry', domain, repository, tag, ...(digest === undefined ? {} : { digest }) };
}

/** The first part is a domain when it could not be a user's name (distribution/reference, splitDockerDomain). */
function splitName(name: string): { readonly domain: string; readonly path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const given = isDomain ? first : DEFAULT_DOMAIN;
  const domain = given === 'index.docker.io' ? DEFAULT_DOMAIN : given;
  const path = isDomain ? name.slice(slash + 1) : name;
  return { domain, path: domain === DEFAULT_DOMAIN && !path.includes('/') ? `library/${path}` : path };
}

function checkName(text: string, domain: string, path: string): void {
  if (!DOMAIN.test(domain)) throw refused(text, `"${domain}" is not a host name`);
  const wrong = path.split('/').find((component) => !COMPONENT.test(component));
  if (wrong !== undefined)
    throw refused(
      text,
      `"${wrong}" is not a part of an image name: lower-case letters and digits, with single . or _ or any - between them`,
    );
  if (domain.length + path.length + 1 > NAME_MAX)
    throw refused(text, `it is longer than ${NAME_MAX} characters`);
}

function refused(text: string, why: string): HypemanError {
  return new HypemanError(
    'invalid',
    'InvalidImageReference',
    `"${text.slice(0, NAME_MAX)}" is not an image reference: ${why}`,
  );
}
