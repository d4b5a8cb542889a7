import type { Inheritance } from '../api/inheritance.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import type { Owner } from '../machine/machine.ts';
import type { InstanceRecord } from '../machine/record.ts';

/**
 * What instances keep on disk: records and overlays. Records are cached in memory after the first
 * reading; the lock on the state directory makes this process their only writer.
 */
export type Storage = {
  /** Every record on disk, read once at start; a record that cannot be read is a problem, never dropped. */
  records(): readonly InstanceRecord[];
  /** Records and inheritances found at start that cannot be used. Their directories are never collected. */
  problems(): readonly RecordProblem[];
  recordOf(key: string): InstanceRecord | undefined;
  /** The records that were declared as forks of this instance. Costs nothing when there are none. */
  forksOf(source: InstanceKey): readonly InstanceRecord[];
  /** What a fork was left by its source; read at start, kept in memory. */
  inheritanceOf(fork: InstanceKey): Inheritance | undefined;
  /** Durable when it returns, and root's alone: there is env in it. The fork is on record. */
  keepInheritance(fork: InstanceKey, inheritance: Inheritance): Promise<void>;
  /** Durable when it returns. Creates the instance's directory on first use. */
  writeRecord(record: InstanceRecord): Promise<void>;
  overlayBytes(id: InstanceId): Promise<number | undefined>;
  /** A sparse file with an empty ext4 in it; half-made ones never carry the final name. */
  createOverlay(id: InstanceId, bytes: number, owner: Owner): Promise<void>;
  /** Grows file and filesystem; only while no machine uses it. Never shrinks. */
  growOverlay(id: InstanceId, bytes: number): Promise<void>;
  removeOverlay(id: InstanceId): Promise<void>;
  /** Removes the whole directory of an instance, record last. */
  forget(key: string, id: InstanceId): Promise<void>;
  /** Removes directories without a record and left-over temporary files. Returns what went. */
  collect(): Promise<readonly string[]>;
};

/** `message` names the file, what is wrong with it, and what to do. */
export type RecordProblem = { readonly directory: string; readonly message: string };
