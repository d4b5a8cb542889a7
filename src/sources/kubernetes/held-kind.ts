import { nameOf, namespaceOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { FINALIZER, instancePath } from './instance-resource.ts';

/** A kind of ours of which one node has each object: what taking and changing one needs to know. */
export type HeldKind = {
  readonly pathOf: (key: InstanceKey) => string;
  /** Holds an object until its node has let go of it. */
  readonly finalizer: string;
};

export const INSTANCE: HeldKind = { pathOf: instancePath, finalizer: FINALIZER };

/** Where Volumes are served (`crds/hypeman.dev_volumes.yaml`). */
export const VOLUMES = '/apis/hypeman.dev/v1alpha1/volumes';

export const VOLUME: HeldKind = {
  pathOf: (key) => `/apis/hypeman.dev/v1alpha1/namespaces/${namespaceOf(key)}/volumes/${nameOf(key)}`,
  finalizer: 'hypeman.dev/volume',
};
