import { withInherited } from './fork-demand.ts';
import type { Parser } from '../../../api/parser.ts';
import { keyOf, nameOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { NODE_LABEL } from '../instance-resource.ts';
import { isOlder, labelOf } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { withKeptMemory } from './held-room.ts';
import { instanceSightOf } from './instance-sight.ts';
import type { InstanceSight } from './instance-sight.ts';
import { agentSightOf, nodeSightOf, standingOf } from './node-sight.ts';
import type { AgentSight, NodeSight, NodeStanding } from './node-sight.ts';
import { placeholderNameFor } from './placeholder-words.ts';
import type { Neighbour, PlacementWorld } from './placement-world.ts';
import { podSightOf } from './pod-sight.ts';
import type { PodSight } from './pod-sight.ts';

const MOST_ENDED = 10_000;

/** What the watches have shown of a cluster: enough to say where Instances are to be, and no value of a spec. */
export class PlacementSights {
  /** Milliseconds of a clock that nobody sets; `AgentSight.seenAt` is one of them. */
  readonly steadyNow: () => number;
  readonly #parser: Parser;
  readonly #instances = new Map<InstanceKey, InstanceSight>();
  readonly #pods = new Map<InstanceKey, PodSight>();
  /** The Pods for each Instance's name. */
  readonly #podsFor = new Map<InstanceKey, Set<InstanceKey>>();
  readonly #nodes = new Map<string, NodeSight>();
  readonly #agents = new Map<string, AgentSight>();
  readonly #volumes = new Map<InstanceKey, { readonly node?: string }>();
  /** Uids of what is gone, the last of them. */
  readonly #ended = new Set<string>();

  /** `steadyNow`: by it agents are heard or not. A clock that is set must make nobody silent. */
  constructor(parser: Parser, steadyNow: () => number = () => performance.now()) {
    this.#parser = parser;
    this.steadyNow = steadyNow;
  }

  /** The sight that this one takes the place of; nothing changes when that is the newer one. */
  putInstance(object: KubernetesObject): InstanceSight | undefined {
    const before = this.#instances.get(object.key);
    if (!this.#isNews(object, before)) return before;
    this.#instances.set(object.key, instanceSightOf(object, this.#parser));
    return before;
  }

  dropInstance(key: InstanceKey): void {
    this.#ends(this.#instances.get(key)?.uid);
    this.#instances.delete(key);
  }

  /** The Instance that it is for; undefined for a Pod of others. */
  putPod(object: KubernetesObject): InstanceKey | undefined {
    const sight = podSightOf(object);
    if (sight === undefined) return undefined;
    const { key } = sight.instance;
    if (!this.#isNews(object, this.#pods.get(object.key))) return key;
    this.#pods.set(object.key, sight);
    this.#podsFor.set(key, (this.#podsFor.get(key) ?? new Set()).add(object.key));
    return key;
  }

  dropPod(pod: InstanceKey): InstanceKey | undefined {
    const key = this.#pods.get(pod)?.instance.key;
    if (key === undefined) return undefined;
    this.#ends(this.#pods.get(pod)?.uid);
    this.#pods.delete(pod);
    const others = this.#podsFor.get(key);
    others?.delete(pod);
    if (others?.size === 0) this.#podsFor.delete(key);
    return key;
  }

  putNode(object: KubernetesObject): void {
    this.#nodes.set(nameOf(object.key), nodeSightOf(object));
  }

  dropNode(name: string): void {
    this.#nodes.delete(name);
  }

  putAgent(object: KubernetesObject): void {
    const sight = agentSightOf(object, this.steadyNow(), (node) => this.#agents.get(node));
    this.#agents.set(sight.node, sight);
  }

  dropAgent(node: string): void {
    this.#agents.delete(node);
  }

  putVolume(object: KubernetesObject): void {
    const node = labelOf(object, NODE_LABEL);
    this.#volumes.set(object.key, node === undefined ? {} : { node });
  }

  dropVolume(key: InstanceKey): void {
    this.#volumes.delete(key);
  }

  instance(key: InstanceKey): InstanceSight | undefined {
    return this.#instances.get(key);
  }

  /** The same Pod as it was seen last. */
  pod(pod: PodSight): PodSight {
    const known = this.#pods.get(pod.key);
    return known?.uid === pod.uid ? known : pod;
  }

  /** Every Instance, and every one of which only a Pod is left. */
  keys(): readonly InstanceKey[] {
    return [...new Set([...this.#instances.keys(), ...this.#podsFor.keys()])];
  }

  /** Every node, and every one of which only its agent is left. */
  nodes(): readonly string[] {
    return [...new Set([...this.#nodes.keys(), ...this.#agents.keys()])];
  }

  node(name: string): NodeSight | undefined {
    return this.#nodes.get(name);
  }

  agent(node: string): AgentSight | undefined {
    return this.#agents.get(node);
  }

  standing(node: string): NodeStanding {
    return standingOf(this.#nodes.get(node), this.#agents.get(node), this.steadyNow());
  }

  /** How many Instances no node has, and nodes by their standing; those that never had an agent are left out. */
  counts(): { readonly unplaced: number; readonly nodes: Readonly<Record<string, number>> } {
    const unplaced = [...this.#instances.values()].filter(
      ({ holder, isBeingDeleted }) => holder === undefined && !isBeingDeleted,
    ).length;
    const nodes: Record<string, number> = {
      alive: 0,
      silent: 0,
      unreachable: 0,
      'out-of-service': 0,
      gone: 0,
    };
    for (const name of this.#agents.keys()) {
      const standing = this.standing(name);
      nodes[standing] = (nodes[standing] ?? 0) + 1;
    }
    return { unplaced, nodes };
  }

  /** Whether a node has an Instance. */
  isHolder(node: string): boolean {
    return [...this.#instances.values()].some(({ holder }) => holder === node);
  }

  /** Those that a node has, and those whose placeholder is bound to it. */
  concernedBy(node: string): readonly InstanceKey[] {
    const held = [...this.#instances.values()].filter(({ holder }) => holder === node).map(({ key }) => key);
    const bound = [...this.#pods.values()]
      .filter(({ binding }) => binding.is === 'bound' && binding.node === node)
      .map(({ instance }) => instance.key);
    return [...new Set([...held, ...bound])];
  }

  /** Pods for this name that are not for the Instance that has it now. */
  strays(key: InstanceKey): readonly PodSight[] {
    const uid = this.#instances.get(key)?.uid;
    return this.#podsOf(key).filter((pod) => pod.instance.uid !== uid);
  }

  /** Undefined: there is no such Instance. */
  worldOf(key: InstanceKey, now: number): Omit<PlacementWorld, 'settings' | 'refusal'> | undefined {
    const declared = this.#instances.get(key);
    if (declared === undefined) return undefined;
    const instance = withKeptMemory(
      withInherited(declared, (name) => this.#instances.get(keyOf(namespaceOf(key), name))),
    );
    const pod = this.#pods.get(keyOf(namespaceOf(key), placeholderNameFor(nameOf(key), instance.uid)));
    const { holder } = instance;
    return {
      now,
      instance,
      ...(pod === undefined ? {} : { pod }),
      ...(holder === undefined ? {} : { holderStanding: this.standing(holder) }),
      ...(pod?.binding.is === 'bound' ? { podStanding: this.standing(pod.binding.node) } : {}),
      ...this.#neighbours(instance),
    };
  }

  #neighbours({ key, demand }: InstanceSight): Pick<PlacementWorld, 'source' | 'volumes'> {
    if ('invalid' in demand) return { volumes: [] };
    const { forkOf, volumes } = demand;
    return {
      ...(forkOf === undefined ? {} : { source: this.#source(keyOf(namespaceOf(key), forkOf)) }),
      volumes: volumes.map((name) => this.#volume(keyOf(namespaceOf(key), name))),
    };
  }

  #source(key: InstanceKey): Neighbour {
    const source = this.#instances.get(key);
    const what = `Instance ${nameOf(key)}, which it is forked from,`;
    if (source === undefined) return { is: 'absent', what };
    return source.holder === undefined ? { is: 'unplaced', what } : { is: 'on', what, node: source.holder };
  }

  #volume(key: InstanceKey): Neighbour {
    const volume = this.#volumes.get(key);
    const what = `Volume ${nameOf(key)}`;
    if (volume === undefined) return { is: 'absent', what };
    return volume.node === undefined ? { is: 'unplaced', what } : { is: 'on', what, node: volume.node };
  }

  #podsOf(key: InstanceKey): readonly PodSight[] {
    return [...(this.#podsFor.get(key) ?? [])].flatMap((pod) => this.#pods.get(pod) ?? []);
  }

  /** What a write of ours gave back may be late: the watch has shown the end of that object already. */
  #isNews(object: KubernetesObject, known: Known | undefined): boolean {
    if (this.#ended.has(object.uid)) return false;
    if (known?.uid !== object.uid) return true;
    return object.resourceVersion !== known.resourceVersion && !isOlder(object, known);
  }

  #ends(uid: string | undefined): void {
    if (uid !== undefined) this.#ended.add(uid);
    const [oldest] = this.#ended;
    if (this.#ended.size > MOST_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }
}

type Known = { readonly uid: string; readonly resourceVersion: string };
