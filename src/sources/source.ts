import type { Instance } from '../api/instance.ts';
import type { InstanceEvent } from '../api/reported.ts';
import type { InstanceStatus } from '../api/status.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';

/** What a source says about one key. The planner's `Desired` is made from it in look/. */
export type Declared =
  | {
      readonly is: 'wanted';
      readonly uid: string;
      readonly generation: number;
      readonly instance: Instance;
      readonly refused?: DeclaredRefusal;
    }
  | {
      readonly is: 'held';
      readonly uid: string;
      readonly generation: number;
      readonly refused: DeclaredRefusal;
    }
  | { readonly is: 'gone' };

export type DeclaredRefusal = { readonly reason: 'Invalid' | 'SourceLost'; readonly message: string };

/** Where declarations come from and where status goes to. */
export type Source = {
  /** Resolves when everything declared now is known; from then on `notify` names each key that changed. */
  start(notify: (key: InstanceKey) => void): Promise<void>;
  /** Keys that are declared, held, or still have a status to be cleaned up. */
  keys(): readonly InstanceKey[];
  declared(key: InstanceKey): Declared;
  environmentOf(key: InstanceKey): Promise<DeclaredEnvironment>;
  /** The status last reported, from an earlier controller too. */
  lastStatus(key: InstanceKey): InstanceStatus | undefined;
  /** Writes only what differs. Repeated events are counted, not repeated. */
  report(key: InstanceKey, status: InstanceStatus, events: readonly InstanceEvent[]): Promise<void>;
  /** The instance is gone and everything of it: forget its status. */
  forget(key: InstanceKey): Promise<void>;
  close(): Promise<void>;
};
