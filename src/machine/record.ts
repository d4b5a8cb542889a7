import type { ProgramExit } from './guest.ts';
import type { InstanceId, InstanceKey, SnapshotId, TapName } from './ids.ts';
import type { CloneMethod, Hypervisor, Owner } from './machine.ts';

/** What an instance keeps from creation to deletion, over every restart, standby and host reboot. */
export type Identity = {
  readonly id: InstanceId;
  readonly ip: string;
  readonly gateway: string;
  readonly mac: string;
  readonly tap: TapName;
  readonly owner: Owner;
  /** Keys the digests of env values (hex, 32 bytes), so that a digest alone gives nothing away. */
  readonly salt: string;
};

/**
 * Every field of the spec that reaches a guest, by its path (`vcpus`, `env.PORT`), in one canonical
 * text each; env values as keyed digests. Two of these tell which edits still wait.
 */
export type Fields = Readonly<Record<string, string>>;

export type Applied = { readonly generation: number; readonly fields: Fields };

/** How far an instance has come that was declared as a fork. */
export type Forking = {
  /** Whom it is declared to be a fork of; that may be gone, or another one, by now. */
  readonly instance: InstanceKey;
  /** All that can be checked before is in order: since then it asks its source for a base. */
  readonly askedAt?: number;
  /** Whom it asks: another one under that key is not who was meant. Absent in a record of an earlier version. */
  readonly askedOf?: InstanceId;
  /** Whose disks, and memory, it has. It does not need its source any more. */
  readonly source?: InstanceId;
  /** What it starts from, until it has. */
  readonly base?: SnapshotId;
  /** How its disks were copied. */
  readonly diskCopy?: CloneMethod;
  /** How long the source stood still for it. */
  readonly sourcePauseMs?: number;
  /** When it first was itself. */
  readonly completedAt?: number;
};

/** Since when a fork waits for a base; undefined while it does not ask for one, or has one. */
export function waitsSince({ askedAt, source }: Forking): number | undefined {
  return source === undefined ? askedAt : undefined;
}

export type StopReason = 'Stopped' | 'Unplaced' | 'Deleted' | 'Restart' | 'Recreate' | 'NeverReady';

/** The durable memory of one instance: `record.json`. Written before the change it announces. */
export type InstanceRecord = {
  readonly version: 1;
  readonly key: InstanceKey;
  /** The resource's uid; another uid under the same key is another instance. */
  readonly uid: string;
  readonly identity: Identity;
  readonly createdAt: number;
  /** Pinned at creation: a moved tag changes nothing. */
  readonly image?: { readonly reference: string; readonly digest: string };
  /** The start that was last asked for. Present from the first start on. */
  readonly run?: {
    readonly startedAt: number;
    readonly hypervisor: Hypervisor;
    readonly applied: Applied;
    /** All of its RAM, once it was asked to grow while it runs. */
    readonly memoryBytes?: number;
    /**
     * It goes on from the memory of a machine with a network, and is to have none: the device is still there, its
     * link is down until it boots without.
     */
    readonly link?: 'down';
    /** When the program was first seen started. */
    readonly readyAt?: number;
    /**
     * Its memory is on disk; or it was, and the guest that goes on is still to be told the time and to be given
     * entropy. Stays in a run that ended so.
     */
    readonly standby?: { readonly is: 'suspended' | 'resumed'; readonly at: number };
  };
  /** How that run ended, when the program told; cleared by the next start. */
  readonly exit?: ProgramExit & { readonly at: number };
  readonly stopping?: { readonly since: number; readonly because: StopReason };
  /** When the last run was seen ended. Absent while a run is open: its machine should be there. */
  readonly stoppedAt?: number;
  /** Starts after the first that were answers to an exit or a crash. */
  readonly restarts: number;
  /** Ends in a row that nobody asked for, without ten good minutes in between: the exponent of the backoff. */
  readonly failures: number;
  /** By the credential's name: what the proxy was last seen to have. Digests are keyed with the identity's salt. */
  readonly credentials?: Readonly<
    Record<string, { readonly digest: string; readonly generation: number; readonly rotatedAt: number }>
  >;
  /** The policy that the proxy was last seen to have, by its revision. */
  readonly policyRevision?: string;
  /** Absent: it was not declared as a fork. */
  readonly fork?: Forking;
  /** The annotation `hypeman.dev/restartedAt` as of the last start. */
  readonly restartedAt?: string;
};

type Run = NonNullable<InstanceRecord['run']>;

/** A run is open until its end is on record: one that crashed, and one in standby, too. */
export function isRunOpen(record: InstanceRecord): record is InstanceRecord & { readonly run: Run } {
  return record.run !== undefined && record.stoppedAt === undefined;
}
