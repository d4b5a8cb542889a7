import { listOf, mappingOf, textAt, valueAt } from '../../../api/raw.ts';
import type { Mapping } from '../../../api/raw.ts';
import { nameOf } from '../../../machine/ids.ts';
import { labelOf } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import {
  HYPERVISOR_LABEL_PREFIX,
  HYPERVISORS_ANNOTATION,
  KVM_ANNOTATION,
  KVM_LABEL,
  READY_LABEL,
} from './placeholder-words.ts';

export type NodeSight = {
  readonly name: string;
  readonly labels: Mapping;
  /** Kubernetes' node-lifecycle controller gave up on it: its Lease was not renewed for 40 s (by default). */
  readonly isUnheard: boolean;
  /** An administrator says that it is shut down: nothing runs there any more. */
  readonly isOutOfService: boolean;
};

/** What the agent of a node last told. */
export type AgentSight = {
  readonly node: string;
  /** Of its Lease. */
  readonly uid: string;
  readonly resourceVersion: string;
  readonly renewal: string;
  /** By our own clock, which nobody sets: when this renewal was first seen. Clocks of nodes are not compared. */
  readonly seenAt: number;
  readonly hypervisors: readonly string[];
  readonly hasKvm: boolean;
};

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-out-of-service */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** As long as Kubernetes itself waits for a node (kube-controller-manager, --node-monitor-grace-period). */
export const AGENT_GRACE_MS = 40_000;

/**
 * What may be thought of a node. `unreachable`: neither its kubelet nor its agent is heard of. `silent`: its agent
 * alone. In both cases machines may run on there. `out-of-service` and `gone` are people's word that they do not, and
 * the agent is not heard either.
 */
export type NodeStanding = 'alive' | 'unreachable' | 'silent' | 'out-of-service' | 'gone';

export function nodeSightOf({ key, document }: KubernetesObject): NodeSight {
  const ready = listOf(valueAt(document, ['status', 'conditions'])).find(
    (condition) => textAt(condition, ['type']) === 'Ready',
  );
  return {
    name: nameOf(key),
    labels: mappingOf(valueAt(document, ['metadata', 'labels'])),
    isUnheard: textAt(ready, ['status']) === 'Unknown',
    isOutOfService: listOf(valueAt(document, ['spec', 'taints'])).some(
      (taint) => textAt(taint, ['key']) === OUT_OF_SERVICE,
    ),
  };
}

export function agentSightOf(
  object: KubernetesObject,
  now: number,
  known: (node: string) => AgentSight | undefined,
): AgentSight {
  const { key, uid, resourceVersion, document } = object;
  const mark = (name: string): string =>
    textAt(document, ['metadata', 'annotations', name]) ?? labelOf(object, name) ?? '';
  const renewal = textAt(document, ['spec', 'renewTime']) ?? '';
  const node = nameOf(key);
  const before = known(node);
  return {
    node,
    uid,
    resourceVersion,
    renewal,
    seenAt: before?.renewal === renewal ? before.seenAt : now,
    hypervisors: mark(HYPERVISORS_ANNOTATION)
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    hasKvm: mark(KVM_ANNOTATION) === 'true',
  };
}

export function isFresh(agent: AgentSight, now: number): boolean {
  return now - agent.seenAt < AGENT_GRACE_MS;
}

export function standingOf(
  node: NodeSight | undefined,
  agent: AgentSight | undefined,
  now: number,
): NodeStanding {
  // Whoever says that nothing runs there is mistaken: machines may, and their agent can still end them.
  if (agent !== undefined && isFresh(agent, now)) return 'alive';
  if (node === undefined) return 'gone';
  if (node.isOutOfService) return 'out-of-service';
  if (node.isUnheard) return 'unreachable';
  return agent === undefined ? 'alive' : 'silent';
}

/**
 * What is to be merged into the labels of a Node so that selectors find what its agent can do; undefined: nothing.
 * Labels of others are left alone, and so is a Node whose agent was never heard of.
 */
export function labelChangesOf(
  { labels }: NodeSight,
  agent: AgentSight | undefined,
  now: number,
): Readonly<Record<string, string | null>> | undefined {
  if (agent === undefined && labels[READY_LABEL] === undefined) return undefined;
  const wanted: Record<string, string> = {
    [READY_LABEL]: String(agent !== undefined && isFresh(agent, now)),
    ...(agent === undefined ? {} : { [KVM_LABEL]: String(agent.hasKvm) }),
    ...Object.fromEntries(
      (agent?.hypervisors ?? []).map((name) => [`${HYPERVISOR_LABEL_PREFIX}${name}`, 'true']),
    ),
  };
  const changed = Object.entries(wanted).filter(([name, value]) => labels[name] !== value);
  const over = Object.keys(labels).filter(
    (name) => name.startsWith(HYPERVISOR_LABEL_PREFIX) && wanted[name] === undefined,
  );
  if (changed.length + over.length === 0) return undefined;
  return { ...Object.fromEntries(changed), ...Object.fromEntries(over.map((name) => [name, null])) };
}
