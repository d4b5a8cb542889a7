import type { RunState, SilentField } from '../../../api/instance.ts';
import type { Parser } from '../../../api/parser.ts';
import { problemText } from '../../../api/problem.ts';
import { mappingOf, textAt, valueAt } from '../../../api/raw.ts';
import type { Mapping } from '../../../api/raw.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { mayRunAt } from '../claim.ts';
import { NODE_LABEL } from '../instance-resource.ts';
import { finalizersOf, isBeingDeleted, labelOf } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { podClaimsOf } from './placeholder-note.ts';
import type { PodClaims } from './placeholder-note.ts';

/** What an Instance asks of a node, read once; of its spec nothing else is kept, for it holds values. */
export type Demand = {
  readonly state: RunState;
  readonly vcpus: number;
  /** With what may be added while it runs. */
  readonly memoryBytes: number;
  /** The node that the spec, or a label put by hand, names: the scheduler is not asked. */
  readonly nodeName?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the Instance, in the same namespace, that it is forked from. */
  readonly forkOf?: string;
  /** What it leaves to that one. */
  readonly silent?: readonly SilentField[];
  /** Names of Volumes, in the same namespace. */
  readonly volumes: readonly string[];
  /** Fields of a Pod's spec, word for word: nodeSelector, tolerations, affinity, ... */
  readonly podFields: Mapping;
};

export type InstanceSight = PodClaims & {
  readonly key: InstanceKey;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly createdAt: number;
  readonly isBeingDeleted: boolean;
  readonly finalizers: readonly string[];
  readonly demand: Demand | { readonly invalid: string };
  readonly status: Mapping;
};

const POD_FIELDS = [
  ...['nodeSelector', 'tolerations', 'affinity', 'topologySpreadConstraints'],
  ...['priorityClassName', 'schedulerName'],
];

export function instanceSightOf(object: KubernetesObject, parser: Parser): InstanceSight {
  const { key, uid, resourceVersion, document } = object;
  return {
    key,
    uid,
    resourceVersion,
    generation: Number(valueAt(document, ['metadata', 'generation']) ?? 0),
    createdAt: Date.parse(textAt(document, ['metadata', 'creationTimestamp']) ?? ''),
    isBeingDeleted: isBeingDeleted(object),
    finalizers: finalizersOf(object),
    ...podClaimsOf(object),
    demand: demandOf(object, parser),
    status: mappingOf(document.status),
  };
}

function demandOf(object: KubernetesObject, parser: Parser): InstanceSight['demand'] {
  const { document } = object;
  const parsed = parser.instance(document, { source: 'kubernetes' });
  if (parsed.is === 'bad') return { invalid: parsed.problems.map(problemText).join('\n') };
  const { spec, labels } = parsed.instance;
  // The label of one that is held says who holds it, and not where it shall be.
  const labelled = mayRunAt(object) === undefined ? labelOf(object, NODE_LABEL) : undefined;
  const nodeName = textAt(document, ['spec', 'nodeName']) ?? labelled;
  return {
    state: spec.state,
    vcpus: spec.vcpus,
    memoryBytes: spec.memoryBytes + spec.hotplugBytes,
    ...(nodeName === undefined ? {} : { nodeName }),
    labels,
    ...(spec.forkFrom === undefined ? {} : { forkOf: spec.forkFrom.instance }),
    ...(spec.silent === undefined ? {} : { silent: spec.silent }),
    volumes: spec.volumes.map(({ volume }) => volume),
    podFields: Object.fromEntries(
      POD_FIELDS.map((field) => [field, valueAt(document, ['spec', field])] as const).filter(
        ([, value]) => value !== undefined,
      ),
    ),
  };
}
