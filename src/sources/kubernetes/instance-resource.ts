import { nameOf, namespaceOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';

/** Where Instances are served (`crds/hypeman.dev_instances.yaml`). */
export const INSTANCES = '/apis/hypeman.dev/v1alpha1/instances';

export function instancePath(key: InstanceKey): string {
  return `/apis/hypeman.dev/v1alpha1/namespaces/${namespaceOf(key)}/instances/${nameOf(key)}`;
}

/** The node whose agent runs an Instance: what an agent selects by, as old servers select by labels alone. */
export const NODE_LABEL = 'hypeman.dev/node';

/**
 * `NODE UID`: the node that took the Instance, and so may have a machine and a disk of it, and which Instance
 * that was. Another node leaves it alone until this is gone, whatever the label says.
 */
export const HOLDER_ANNOTATION = 'hypeman.dev/held-by';

/**
 * `DIRECTORY [HARDWARE]`: the state directory that has the machine and the disk, and the machine that it is on. In the
 * same request: another host may have the node's name by now, or think so.
 */
export const HOST_ANNOTATION = 'hypeman.dev/held-in';

/** Holds an Instance until everything of it is gone from its node. */
export const FINALIZER = 'hypeman.dev/instance';

/** Who writes: the owner of our fields in `managedFields`. */
export const FIELD_MANAGER = 'hypeman-controller';
