import type { ReportedInstance } from '../api/reported.ts';
import type { ReportedVolume } from '../api/reported-volume.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { ControllerClient } from './controller-client.ts';

/** Of every namespace, of one, or a single instance. */
export type Scope = { readonly namespace?: string; readonly name?: string };

export type LogAsked = {
  /** The guest's console, or what its hypervisor said. */
  readonly source: 'app' | 'vmm';
  /** Only the last lines. */
  readonly tail?: number;
  /** Go on with what follows, over restarts, until the instance is removed. */
  readonly follow?: boolean;
};

/** The instances that a command speaks of: those of this host's controller, or those of a cluster. */
export type Fleet = {
  /** Where nothing else is said. */
  readonly namespace: string;
  /** Whether a document shows its events; where they are objects of their own, only `describe` does. */
  readonly documentsHaveEvents: boolean;
  list(scope: Scope): Promise<readonly ReportedInstance[]>;
  /** Undefined: there is none. */
  find(key: InstanceKey): Promise<ReportedInstance | undefined>;
  /** With its events, as far as they may be read. */
  withEvents(instance: ReportedInstance): Promise<ReportedInstance>;
  /** Calls `look` with what there is, at first and after each change, one at a time, until the signal. */
  follow(
    scope: Scope,
    signal: AbortSignal,
    look: (instances: readonly ReportedInstance[]) => void,
  ): Promise<void>;
  /** The controller that has it. Without an instance the one of the host; in a cluster a usage fault: each node has its own. */
  controllerOf(instance?: ReportedInstance): ControllerClient;
  /** Ends with the signal. Throws `NoLog`. */
  log(instance: ReportedInstance, asked: LogAsked, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Of every namespace. */
  volumes(): Promise<readonly ReportedVolume[]>;
  /** Says on stderr when nobody keeps what is shown up to date. */
  warnIfStale(instances: readonly ReportedInstance[]): Promise<void>;
};
