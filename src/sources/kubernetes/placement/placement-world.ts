import type { InstanceSight } from './instance-sight.ts';
import type { NodeStanding } from './node-sight.ts';
import type { PlaceholderSettings } from './placeholder-pod.ts';
import type { PodSight } from './pod-sight.ts';

/** Why the API server did not take a placeholder: quota, an admission rule, a spec that is no good. */
export type Refusal = {
  /** `stalled`: the user must move. */
  readonly is: 'waiting' | 'stalled';
  readonly reason: string;
  readonly message: string;
  /** Of the Instance whose placeholder it was. */
  readonly generation: number;
  readonly at: number;
  /** How many in a row. */
  readonly count: number;
};

/** Something that an Instance can only be started beside. */
export type Neighbour =
  /** `what`: as a sentence names it. */
  | { readonly is: 'absent' | 'unplaced'; readonly what: string }
  | { readonly is: 'on'; readonly what: string; readonly node: string };

/** Everything that was seen about the placement of one Instance, at one moment. */
export type PlacementWorld = {
  readonly now: number;
  readonly instance: InstanceSight;
  readonly pod?: PodSight;
  /** Of the node that holds the Instance. */
  readonly holderStanding?: NodeStanding;
  /** Of the node that its placeholder is bound to. */
  readonly podStanding?: NodeStanding;
  /** The Instance that it is forked from. */
  readonly source?: Neighbour;
  /** The Volumes that it mounts. */
  readonly volumes: readonly Neighbour[];
  readonly refusal?: Refusal;
  readonly settings: PlaceholderSettings;
};
