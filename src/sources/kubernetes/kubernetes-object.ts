import { isMapping, listOf, mappingOf, textAt, valueAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';

/** An object of an API server: what every kind has, and the document as it came. */
export type KubernetesObject = {
  /** `namespace/name` */
  readonly key: InstanceKey;
  readonly uid: string;
  /** Changes with every write. */
  readonly resourceVersion: string;
  readonly document: Mapping;
};

/** Undefined for what is no object. Who owns which field (`managedFields`) is dropped: half of the text, read by nobody. */
export function objectIn(document: unknown): KubernetesObject | undefined {
  const [namespace, name, uid, resourceVersion] = ['namespace', 'name', 'uid', 'resourceVersion'].map(
    (field) => textAt(document, ['metadata', field]),
  );
  if (!isMapping(document) || name === undefined || uid === undefined || resourceVersion === undefined)
    return undefined;
  const metadata = without(mappingOf(document.metadata), 'managedFields');
  return { key: keyOf(namespace ?? '', name), uid, resourceVersion, document: { ...document, metadata } };
}

type Versioned = Pick<KubernetesObject, 'resourceVersion'>;

/**
 * Whether one sight of an object is older than another of the same object. Versions are etcd revisions;
 * they may be compared as numbers (KEP-5504), and were such long before that was promised.
 */
export function isOlder(one: Versioned, other: Versioned): boolean {
  const [left, right] = [one.resourceVersion, other.resourceVersion];
  return left.length === right.length ? left < right : left.length < right.length;
}

export function finalizersOf({ document }: KubernetesObject): readonly string[] {
  return listOf(valueAt(document, ['metadata', 'finalizers'])).filter((name) => typeof name === 'string');
}

export function labelOf({ document }: KubernetesObject, name: string): string | undefined {
  return textAt(document, ['metadata', 'labels', name]);
}

/** Somebody deleted it; finalizers hold it. */
export function isBeingDeleted({ document }: KubernetesObject): boolean {
  return textAt(document, ['metadata', 'deletionTimestamp']) !== undefined;
}

/** What may be kept for long: a spec holds values. */
export function withoutSpec(object: KubernetesObject): KubernetesObject {
  return { ...object, document: without(object.document, 'spec') };
}

function without(mapping: Mapping, field: string): Mapping {
  return Object.fromEntries(Object.entries(mapping).filter(([name]) => name !== field));
}
