import type { InstanceKey } from '../machine/ids.ts';
import type { Plan } from '../plan/verdict.ts';

/** What would become of one declared instance on this host. */
export type PlannedInstance = {
  readonly key: InstanceKey;
  /** The rounds from the world as it is to where it would rest; the last one says where and why. */
  readonly rounds: readonly Plan[];
  /** Fields whose edit would wait for a restart or a new disk. */
  readonly pendingFields: readonly string[];
};
