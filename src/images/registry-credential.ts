import { createHmac, randomBytes } from 'node:crypto';
import { HypemanError } from '../errors.ts';
import { Secret } from '../secrets/secret.ts';
import type { ImageReference } from './reference.ts';

/** What is shown to one registry in place of the host's own credentials. */
export type RegistryCredential = {
  /** Tells one from another in this process, and nothing of what it is. */
  readonly id: string;
  /** The text of an auth file (containers-auth.json(5)) with this registry alone in it. */
  readonly authFile: Secret;
};

/**
 * The credential for the registry of a reference in docker configs: of the first that has one, the one with the
 * longest path. Keys are what docker and kubelet accept: a host, with a scheme or `/v1/` around it, with a path
 * behind it, with `*` for parts of the host. Undefined: none of them is for this registry. Throws the `transient`
 * `PullSecretUnreadable`, which quotes nothing.
 */
export function credentialFor(
  reference: ImageReference,
  configs: readonly Secret[],
): RegistryCredential | undefined {
  if (reference.from === 'layout') return undefined;
  for (const config of configs) {
    const entry = entryFor(reference.repository, authsIn(config));
    if (entry === undefined) continue;
    const text = JSON.stringify({ auths: { [reference.domain]: entry } });
    return { id: idOf(text), authFile: new Secret(text) };
  }
  return undefined;
}

type Entry = { readonly auth?: string; readonly identitytoken?: string; readonly registrytoken?: string };

const ID_KEY = randomBytes(32);

function idOf(text: string): string {
  return createHmac('sha256', ID_KEY).update(text).digest('hex').slice(0, 16);
}

/** `.dockerconfigjson` has the registries under `auths`, the older `.dockercfg` is that part alone. */
function authsIn(config: Secret): Readonly<Record<string, unknown>> {
  const whole = parsed(config);
  const auths = isMapping(whole) && 'auths' in whole ? whole.auths : whole;
  if (isMapping(auths)) return auths;
  throw unreadable('it is no docker config.json');
}

function entryFor(repository: string, auths: Readonly<Record<string, unknown>>): Entry | undefined {
  const [best] = Object.entries(auths)
    .map(([key, value]) => ({ place: placeIn(key), value }))
    .filter(({ place }) => isWithin(repository, place))
    .sort((one, other) => other.place.length - one.place.length);
  return best === undefined ? undefined : entryOf(best.value);
}

/** `https://index.docker.io/v1/` is what docker login writes for docker.io. */
function placeIn(key: string): string {
  const place = key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  return place.replace(/^(?:index|registry-1)\.docker\.io(?=\/|$)/, 'docker.io');
}

function isWithin(repository: string, place: string): boolean {
  const [host = '', ...path] = place.split('/');
  const [domain = '', ...rest] = repository.split('/');
  return isHost(domain, host) && path.every((part, at) => part === rest[at]);
}

/** `*` stands for any letters of one part of a host: never for a dot, nor for the port. */
function isHost(domain: string, pattern: string): boolean {
  const parts = partsOf(domain);
  const patterns = partsOf(pattern);
  return patterns.length === parts.length && patterns.every((one, at) => isPart(parts[at] ?? '', one));
}

/** With the dots and the colon between them. */
function partsOf(host: string): readonly string[] {
  return host.toLowerCase().split(/([.:])/);
}

/** In one go from left to right: as a regular expression, a few stars that somebody writes would take for ever. */
function isPart(text: string, pattern: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return text === first;
  const end = text.length - last.length;
  let at = first.length;
  if (at > end || !text.startsWith(first) || !text.endsWith(last)) return false;
  for (const other of others) {
    const found = text.indexOf(other, at);
    if (found < 0 || found + other.length > end) return false;
    at = found + other.length;
  }
  return true;
}

function entryOf(value: unknown): Entry {
  if (!isMapping(value)) throw unreadable('what it has for this registry is no mapping');
  const { username, password } = value;
  const auth =
    typeof username === 'string' && username !== '' && typeof password === 'string'
      ? Buffer.from(`${username}:${password}`, 'utf8').toString('base64')
      : value.auth;
  const texts = { auth, identitytoken: value.identitytoken, registrytoken: value.registrytoken };
  return Object.fromEntries(
    Object.entries(texts).filter(([, text]) => typeof text === 'string' && text !== ''),
  );
}

function parsed(config: Secret): unknown {
  try {
    return JSON.parse(config.reveal());
  } catch {
    // V8's message quotes the text.
    throw unreadable('it is not JSON');
  }
}

function unreadable(why: string): HypemanError {
  return new HypemanError(
    'transient',
    'PullSecretUnreadable',
    `a Secret that imagePullSecrets names cannot be used: ${why}; make it with kubectl create secret docker-registry`,
  );
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
