import { createHash } from 'node:crypto';
import { isMapping, listOf, mappingOf, valueAt } from '../../../api/raw.ts';
import type { Mapping } from '../../../api/raw.ts';
import { nameOf, namespaceOf } from '../../../machine/ids.ts';
import { canonicalText } from '../../spec-text.ts';
import { NODE_LABEL } from '../instance-resource.ts';
import type { Demand, InstanceSight } from './instance-sight.ts';
import {
  DEMAND_ANNOTATION,
  INSTANCE_MARK,
  INSTANCE_UID_ANNOTATION,
  PLACEHOLDER_LABEL,
  POD_FINALIZER,
  READY_LABEL,
  placeholderNameFor,
} from './placeholder-words.ts';

export type PlaceholderSettings = {
  /** Any image with a shell. */
  readonly image: string;
  /** How much of a vCPU is kept free for each, in percent: below 100 guests share the node's CPUs. */
  readonly cpuPercent: number;
};

const MIB = 1024 * 1024;
/**
 * QEMU 7.2 takes 27 MiB before its guest's first instruction, and under TCG up to 128 MiB of translated code
 * (`tb-size`, see drivers/qemu/translate.ts).
 */
const OVERHEAD_BYTES = 160 * MIB;
/** Page tables, the host's and the hypervisor's second level: 8 of 4096 bytes each. */
const PAGE_TABLES = 256;

/** How long a node has to stop a machine, or to put it in standby, when its placeholder is deleted. */
const GRACE_SECONDS = 120;
/** Longest value of a label. */
const LABEL_LENGTH = 63;

/**
 * Keeps the Pod, and with it the cgroup in which its machine runs, until it is killed: SIGTERM, which comes first
 * in a drain, is for the node's agent to act on. SIGUSR1, from whoever stopped the machine, ends it at once.
 */
const HOLD = "trap '' TERM; trap 'exit 0' USR1; sleep infinity & wait";

/** What holds room on a node for an Instance; `node`: on this one, for something of the Instance is there. */
export function placeholderFor(
  instance: InstanceSight,
  demand: Demand,
  node: string | undefined,
  settings: PlaceholderSettings,
): Mapping {
  const name = nameOf(instance.key);
  const spec = podSpecFor(demand, node, settings);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: placeholderNameFor(name, instance.uid),
      namespace: namespaceOf(instance.key),
      labels: {
        // Affinity, topology spread and disruption budgets select by these.
        ...demand.labels,
        [PLACEHOLDER_LABEL]: 'true',
        [INSTANCE_MARK]: name.slice(0, LABEL_LENGTH).replace(/[^a-z0-9]+$/, ''),
        ...(node === undefined || node.length > LABEL_LENGTH ? {} : { [NODE_LABEL]: node }),
      },
      annotations: {
        [INSTANCE_MARK]: name,
        [INSTANCE_UID_ANNOTATION]: instance.uid,
        [DEMAND_ANNOTATION]: demandDigest(demand, node, settings),
      },
      finalizers: [POD_FINALIZER],
      ownerReferences: [
        {
          apiVersion: 'hypeman.dev/v1alpha1',
          kind: 'Instance',
          name,
          uid: instance.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec,
  };
}

/** The same for placeholders that may stand for one another. */
export function demandDigest(
  demand: Demand,
  node: string | undefined,
  settings: PlaceholderSettings,
): string {
  const text = canonicalText([podSpecFor(demand, node, settings), demand.labels]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function podSpecFor(demand: Demand, node: string | undefined, settings: PlaceholderSettings): Mapping {
  const { podFields } = demand;
  return {
    ...podFields,
    nodeSelector: { ...mappingOf(podFields.nodeSelector), [READY_LABEL]: 'true' },
    ...(node === undefined ? {} : { affinity: pinnedTo(node, mappingOf(podFields.affinity)) }),
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: GRACE_SECONDS,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65534,
      runAsGroup: 65534,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'holder',
        image: settings.image,
        command: ['/bin/sh', '-c', HOLD],
        resources: resourcesFor(demand, settings),
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
    ],
  };
}

function resourcesFor({ vcpus, memoryBytes }: Demand, { cpuPercent }: PlaceholderSettings): Mapping {
  const memory = String(memoryBytes + OVERHEAD_BYTES + Math.ceil(memoryBytes / PAGE_TABLES));
  return {
    requests: { cpu: `${vcpus * cpuPercent * 10}m`, memory },
    limits: { cpu: String(vcpus), memory },
  };
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

/** The user's affinity, and this node. The terms of a node selector are alternatives: each of them gets it. */
function pinnedTo(node: string, affinity: Mapping): Mapping {
  const here = { key: 'metadata.name', operator: 'In', values: [node] };
  const nodeAffinity = mappingOf(affinity.nodeAffinity);
  // An empty term matches nothing, and must not come to match this node.
  const terms = listOf(valueAt(nodeAffinity, [REQUIRED, 'nodeSelectorTerms']))
    .filter((term) => isMapping(term) && Object.keys(term).length > 0)
    .map((term) => mappingOf(term))
    .map((term) => ({ ...term, matchFields: [...listOf(term.matchFields), here] }));
  const required = { nodeSelectorTerms: terms.length === 0 ? [{ matchFields: [here] }] : terms };
  return { ...affinity, nodeAffinity: { ...nodeAffinity, [REQUIRED]: required } };
}
