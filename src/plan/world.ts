import type { Instance } from '../api/instance.ts';
import type { EgressState } from '../machine/egress.ts';
import type { GuestState } from '../machine/guest.ts';
import type { ImageState } from '../machine/image.ts';
import type { InstanceId, InstanceKey, SnapshotId } from '../machine/ids.ts';
import type { DriverFacts } from '../machine/driver.ts';
import type { CloneMethod, Hypervisor, MachineState } from '../machine/machine.ts';
import type { NetworkState } from '../machine/network.ts';
import type { Roots } from '../machine/paths.ts';
import type { Base } from '../machine/base.ts';
import type { SnapshotState } from '../machine/snapshot.ts';
import type { Fields, Identity, InstanceRecord } from '../machine/record.ts';
import type { VolumesSeen } from './volumes.ts';

/** Everything the planner may know, seen at one moment. Time, ids and host facts arrive as data. */
export type World = {
  readonly key: InstanceKey;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly desired: Desired;
  readonly host: HostFacts;
  readonly record: InstanceRecord | 'absent';
  /** Who this instance will be when it has no record yet; the same on every look until then. Needed only when wanted. */
  readonly proposal: Identity | 'unneeded';
  /** The pinned image, by its digest; before anything is pinned, the image of the spec. */
  readonly image: ImageState;
  /** The image of the spec when another one is pinned: it is pulled before anything is given up for it. */
  readonly nextImage?: ImageState;
  readonly overlay: { readonly state: 'absent' } | { readonly state: 'ready'; readonly bytes: number };
  /** The volumes that the instance mounts, or wants to. */
  readonly volumes?: VolumesSeen;
  readonly network: NetworkState;
  /** The boot archive on disk, and what it was made from. */
  readonly boot: { readonly state: 'absent' } | { readonly state: 'ready'; readonly fields: Fields };
  readonly egress: EgressState;
  readonly machine: MachineState;
  /**
   * The memory that a suspended machine left; of a fork that has not run yet, the base that it goes on from. While
   * it is there, no vCPU runs.
   */
  readonly standby: SnapshotState;
  /** Of an instance that is declared as a fork and has nothing of its source yet. */
  readonly forking?: Forkable;
  /** Of a fork that has not been itself yet: what it starts from, when that can be had. */
  readonly base?: Base | 'absent';
  /** Forks that wait for a base of this instance. */
  readonly askers?: Askers;
  readonly guest: GuestState;
  /** Bytes that were plugged in a while ago, and that the guest does not use. Absent: none, as far as is known. */
  readonly memoryNotTaken?: number;
};

/** What a fork can be made from. */
export type Forkable = {
  /** The instance that it names, as it is seen now. */
  readonly source: World;
  /** Bases of that instance that are no older than the fork's asking for one. */
  readonly bases: readonly Base[];
  /** Why the last try to freeze the source failed, if it did. */
  readonly trouble?: string;
};

export type Askers = {
  readonly forks: readonly { readonly id: InstanceId; readonly askedAt: number }[];
  /** A name that no base has had. */
  readonly nextBase: SnapshotId;
};

/** What the source declares under a key. */
export type Desired =
  | {
      readonly is: 'wanted';
      readonly uid: string;
      readonly generation: number;
      readonly instance: Instance;
      readonly environment: Environment;
      readonly credentials: CredentialsState;
      /** Why it may not be started now. What runs of it runs on. */
      readonly startBar?: StartBar;
      /** The newest text of the declaration was refused; `instance` is the last good one. */
      readonly refused?: Refusal;
    }
  /** Declared, but what exactly cannot be known now: everything stays as it is, or is stopped and kept. */
  | {
      readonly is: 'held';
      readonly uid: string;
      readonly generation: number;
      readonly refused: Refusal;
      readonly isToStop?: true;
    }
  | { readonly is: 'gone' };

/** What it waits for is told by an event. */
export type StartBar = { readonly reason: string; readonly message: string };

/** `Invalid`: the text is refused. `SourceLost`: the directory or the server cannot be read. */
export type Refusal = { readonly reason: 'Invalid' | 'SourceLost'; readonly message: string };

/**
 * The guest's part of env and envFrom, placeholders in place of credentials: the name of each variable, and its
 * value as a digest keyed with the instance's salt. `idle`: names that a fork declares and that were its source's
 * secrets; nobody gets their values.
 */
export type Environment =
  | { readonly is: 'ready'; readonly digests: Fields; readonly idle?: readonly string[] }
  | { readonly is: 'missing'; readonly reason: string; readonly message: string };

/**
 * The policy that the spec asks for, its values seen: what the proxy should hold. Of a value that is missing it keeps
 * what it had; nothing else waits for it, but for a start.
 */
export type CredentialsState =
  /** No mediation is asked for. */
  | { readonly is: 'none' }
  | {
      readonly is: 'ready';
      /** Of the whole policy; equal to the one in force when the proxy is current. */
      readonly revision: string;
      /** By credential name, of its value, keyed with the instance's salt. */
      readonly digests: Fields;
    }
  | {
      readonly is: 'missing';
      readonly reason: string;
      readonly message: string;
      readonly revision: string;
      /** Of the values that are there. */
      readonly digests: Fields;
    };

export type HostFacts = {
  readonly roots: Roots;
  readonly bootId: string;
  readonly nodeName: string;
  /** Since when this controller has been looking: no guest is blamed for silence before that. */
  readonly watchingSince: number;
  readonly defaultHypervisor: Hypervisor;
  readonly drivers: Readonly<Partial<Record<Hypervisor, DriverFacts>>>;
  readonly kernel:
    | {
        readonly state: 'ready';
        readonly version: string;
        readonly path: string;
        readonly initrd: string;
        readonly cmdline: string;
      }
    | { readonly state: 'missing'; readonly problem: string };
  /** How disks are copied in the state directory. Absent: not found out. */
  readonly cloneMethod?: CloneMethod;
  /** Programs that this host lacks, with the package that brings each. */
  readonly missingTools: readonly { readonly tool: string; readonly fix: string }[];
};

export type Wanted = Extract<Desired, { is: 'wanted' }>;
export type WantedWorld = World & { readonly desired: Wanted };
/** A world whose instance has been recorded: it has an identity, and may have left something anywhere. */
export type KnownWorld = World & { readonly record: InstanceRecord };
/** Recorded, and wanted. */
export type RecordedWorld = WantedWorld & KnownWorld;
