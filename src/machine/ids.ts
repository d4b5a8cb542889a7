/** `namespace/name` of a resource: what the queue, the look and the source speak about. */
export type InstanceKey = string & { readonly brand: 'InstanceKey' };
/** CUID2 of one instance, made once, stable until the resource is deleted. */
export type InstanceId = string & { readonly brand: 'InstanceId' };
/** CUID2 of one frozen base, made once. */
export type SnapshotId = string & { readonly brand: 'SnapshotId' };
/** `namespace/name` of a Volume. */
export type VolumeKey = string & { readonly brand: 'VolumeKey' };
/** CUID2 of one volume's disk, made once. */
export type VolumeId = string & { readonly brand: 'VolumeId' };
export type TapName = string & { readonly brand: 'TapName' };

/* eslint-disable @typescript-eslint/no-unsafe-type-assertion -- brands are minted here and nowhere else */
export function keyOf(namespace: string, name: string): InstanceKey {
  return `${namespace}/${name}` as InstanceKey;
}

export function instanceId(text: string): InstanceId {
  return text as InstanceId;
}

export function snapshotId(text: string): SnapshotId {
  return text as SnapshotId;
}

export function volumeKeyOf(namespace: string, name: string): VolumeKey {
  return `${namespace}/${name}` as VolumeKey;
}

export function volumeId(text: string): VolumeId {
  return text as VolumeId;
}

/** IFNAMSIZ (linux/if.h) leaves 15 visible characters: `hm-`, the installation's four, eight of a CUID2. */
export function tapNameFor(id: InstanceId, tag: string): TapName {
  return `${TAP_PREFIX}${tag}${id.slice(-8)}` as TapName;
}
/* eslint-enable @typescript-eslint/no-unsafe-type-assertion */

/**
 * Four characters that tell two installations (state directories) on one host apart, so that neither
 * collects the other's devices. FNV-1a over the path: stable, and good enough to keep a few apart.
 */
export function installationTag(stateDirectory: string): string {
  let hash = 0x811c9dc5;
  for (const character of stateDirectory)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return (hash % 36 ** 4).toString(36).padStart(4, '0');
}

/** With the installation's tag after it: how a stray network device of ours is found and collected. */
export const TAP_PREFIX = 'hm-';

export function namespaceOf(key: InstanceKey | VolumeKey): string {
  return key.slice(0, key.indexOf('/'));
}

export function nameOf(key: InstanceKey | VolumeKey): string {
  return key.slice(key.indexOf('/') + 1);
}
