import type { Base, Origin } from '../machine/base.ts';
import type { InstanceId, SnapshotId } from '../machine/ids.ts';
import type { CloneMethod, MachineDisk, Owner } from '../machine/machine.ts';
import type { SnapshotPaths } from '../machine/snapshot-paths.ts';
import type { SnapshotState } from '../machine/snapshot.ts';

/**
 * Snapshots on disk: what instances in standby left, and the frozen bases that forks start from. Nobody
 * counts who uses a base's memory: every machine that runs on it has a name of its own for the file, and
 * the last name that goes takes it along. So a base is needed only by forks that have not started yet.
 */
export type Snapshots = {
  /** How a disk is copied on this host's state directory. */
  cloneMethod(): Promise<CloneMethod>;
  standby(id: InstanceId): Promise<SnapshotState>;
  /** Forces a standby to disk. Not while its machine is being restored. Throws `DiskFull`. */
  settleStandby(id: InstanceId): Promise<void>;
  /** Gives the memory up. Only while the machine has no VMM. */
  discardStandby(id: InstanceId): Promise<void>;
  basePaths(base: SnapshotId): SnapshotPaths;
  base(base: SnapshotId): Promise<SnapshotState>;
  /** The bases that forks can start from now. */
  bases(): Promise<readonly Base[]>;
  /** Fills `disks` of a base, while nobody writes to them: copies of the writable ones, and where they are from. */
  fillBase(directory: string, disks: readonly MachineDisk[], origin: Origin): Promise<void>;
  /**
   * Makes a base of a stopped machine: what `fill` puts there, no memory. Only while it has no VMM. One that is
   * there is left as it is.
   */
  freezeDisks(
    base: SnapshotId,
    source: InstanceId,
    fill: (directory: string) => Promise<void>,
  ): Promise<void>;
  /** The source runs on: how long it stood still is told beside the base, if that is still there. */
  notePause(base: SnapshotId, ms: number): Promise<void>;
  settleBase(base: SnapshotId): Promise<void>;
  /**
   * Removes bases that are not used and what cut-short freezings and removals left. Returns what went. `isUsed` is
   * asked right before; `base` is absent for one that no fork can start from any more.
   */
  collectBases(isUsed: (id: SnapshotId, base: Base | undefined) => boolean): Promise<readonly string[]>;
  /**
   * The fork's disk out of a base's, durable, with its final name when all of it is there. One that is
   * there is left as it is. Throws `DiskFull`.
   */
  cloneDisk(from: string, to: string, owner: Owner): Promise<void>;
};
