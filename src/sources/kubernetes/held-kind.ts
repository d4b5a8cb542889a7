import { nameOf, namespaceOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { FINALIZER, instancePath } from './instance-resource.ts';

/** A kind of ours of which one node has each object: what taking and changing one needs to know. */
export type HeldKind = {
  readonly pathOf: (key: InstanceKey) => string;
  /** Holds an object until its node has let go of it. */
  readonly finalizer: string;
};

/** Something that a host has of an Instance: whoever has its name by now, it is of this one. */
export type HostInstance = { readonly key: InstanceKey; readonly uid: string };

export const INSTANCE: HeldKind = { pathOf: instancePath, finalizer: FINALIZER };

/** Where Volumes are served (`crds/hypeman.dev_volumes.yaml`). */
export const VOLUMES = '/apis/hypeman.dev/v1alpha1/volumes';

export const VOLUME: HeldKind = {
  pathOf: (key) => `/apis/hypeman.dev/v1alpha1/namespaces/${namespaceOf(key)}/volumes/${nameOf(key)}`,
  finalizer: 'hypeman.dev/volume',
};
