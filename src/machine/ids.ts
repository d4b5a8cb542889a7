/** `namespace/name` of a resource: what the queue, the look and the source speak about. */
export type InstanceKey = string & { readonly brand: 'InstanceKey' };
/** CUID2 of one instance, made once, stable until the resource is deleted. */
export type InstanceId = string & { readonly brand: 'InstanceId' };
export type TapName = string & { readonly brand: 'TapName' };

/* eslint-disable @typescript-eslint/no-unsafe-type-assertion -- brands are minted here and nowhere else */
export function keyOf(namespace: string, name: string): InstanceKey {
  return `${namespace}/${name}` as InstanceKey;
}

export function instanceId(text: string): InstanceId {
  return text as InstanceId;
}

/** IFNAMSIZ (linux/if.h) leaves 15 visible characters: `hm-` and twelve of a CUID2. */
export function tapNameFor(id: InstanceId): TapName {
  return `${TAP_PREFIX}${id.slice(0, 12)}` as TapName;
}
/* eslint-enable @typescript-eslint/no-unsafe-type-assertion */

/** Every network device of ours starts with it, so that a stray one can be found and collected. */
export const TAP_PREFIX = 'hm-';

export function namespaceOf(key: InstanceKey): string {
  return key.slice(0, key.indexOf('/'));
}

export function nameOf(key: InstanceKey): string {
  return key.slice(key.indexOf('/') + 1);
}
