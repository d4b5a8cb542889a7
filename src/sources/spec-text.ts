import { createHmac } from 'node:crypto';
import { isMapping } from '../api/raw.ts';
import type { Mapping } from '../api/raw.ts';
import type { InstanceKey } from '../machine/ids.ts';

/** Stands where a value of env stood. */
export const HIDDEN = '[hidden]';

/** A declared spec as it may be shown: every env value is treated as a secret. */
export function specWithoutValues(spec: Mapping): Mapping {
  if (!isMapping(spec.env)) return spec;
  return { ...spec, env: Object.fromEntries(Object.keys(spec.env).map((name) => [name, HIDDEN])) };
}

/**
 * Tells whether a spec changed without keeping it: HMAC-SHA-256 under the installation's salt over the
 * key and the spec with its keys in order, so that a reordered or reformatted file is the same spec.
 */
export function specDigest(key: InstanceKey, spec: Mapping, salt: string): string {
  return createHmac('sha256', salt)
    .update(`${key}\0${canonicalText(spec)}`)
    .digest('hex')
    .slice(0, 32);
}

/** One text for equal values, whatever the order of their keys. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isMapping(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
