import type { Identity, InstanceRecord, Fields } from '../machine/record.ts';
import type { Authority, Mediation, PolicyShape } from '../machine/egress.ts';
import type { RunState } from '../api/instance.ts';
import type { Origin } from '../machine/base.ts';
import type { GuestIdentity } from '../machine/guest.ts';
import type { InstanceId, InstanceKey, SnapshotId, VolumeId, VolumeKey } from '../machine/ids.ts';
import type { VolumeWish } from '../machine/volume.ts';
import type { Hypervisor, Machine, MachineDisk } from '../machine/machine.ts';
import type { BootDescription, Disguise } from '../machine/boot.ts';
import type { Shaping } from '../machine/network.ts';

/**
 * One change to the world, with everything needed to make it and nothing secret. Every action is
 * idempotent. None waits for something slow: a pull runs on in the background, a boot is watched.
 */
export type Action =
  | { readonly kind: 'write-record'; readonly record: InstanceRecord }
  | {
      readonly kind: 'pull-image';
      readonly reference: string;
      readonly digest?: string;
      /** The instance whose pull secrets are shown to the registry: the hands fetch them. */
      readonly secretsOf?: InstanceKey;
    }
  | {
      readonly kind: 'create-overlay';
      readonly id: InstanceId;
      readonly bytes: number;
      readonly owner: Identity['owner'];
    }
  | { readonly kind: 'grow-overlay'; readonly id: InstanceId; readonly bytes: number }
  | { readonly kind: 'remove-overlay'; readonly id: InstanceId }
  /** Filling it goes on in the background. */
  | {
      readonly kind: 'create-volume';
      readonly wish: VolumeWish;
      /** The instance that needs it, whose pull secrets are shown to the registry of the image that fills it. */
      readonly secretsOf?: InstanceKey;
    }
  | { readonly kind: 'grow-volume'; readonly volume: VolumeKey; readonly bytes: number }
  /** The instance's own writable layer over a volume: made, or grown. */
  | {
      readonly kind: 'fit-volume-layer';
      readonly id: InstanceId;
      readonly volume: VolumeId;
      readonly bytes: number;
      readonly owner: Identity['owner'];
    }
  | { readonly kind: 'create-tap'; readonly identity: Identity }
  | { readonly kind: 'guard-tap'; readonly identity: Identity; readonly mediation?: Mediation }
  /** The values are fetched by the hands, and refused when `revision` is not theirs. */
  | { readonly kind: 'put-policy'; readonly policy: PolicyShape; readonly revision: string }
  /** `forget` removes the CA too. */
  | { readonly kind: 'remove-policy'; readonly id: InstanceId; readonly forget: boolean }
  /** Under a guest that runs: init installs the CA and says so in its state. */
  | { readonly kind: 'trust-authority'; readonly id: InstanceId; readonly authority: Authority }
  | { readonly kind: 'shape-tap'; readonly identity: Identity; readonly shaping: Shaping }
  | { readonly kind: 'remove-network'; readonly identity: Identity }
  /** Values of the environment are fetched by the hands; `fields` says which ones were meant. */
  | {
      readonly kind: 'write-boot';
      readonly key: InstanceKey;
      readonly boot: BootDescription;
      readonly fields: Fields;
      readonly disguise: Disguise;
    }
  | { readonly kind: 'start-machine'; readonly hypervisor: Hypervisor; readonly machine: Machine }
  /** Ends the VMM and keeps its memory; the machine as it was started, whatever was edited since. */
  | { readonly kind: 'suspend-machine'; readonly hypervisor: Hypervisor; readonly machine: Machine }
  /** Has it have so much RAM in all, its programs running on. */
  | {
      readonly kind: 'grow-memory';
      readonly hypervisor: Hypervisor;
      readonly machine: Machine;
      readonly bytes: number;
    }
  /** The limit of all its disks together, 0 for none, its programs running on. */
  | {
      readonly kind: 'throttle-disks';
      readonly id: InstanceId;
      readonly hypervisor: Hypervisor;
      readonly bytesPerSecond: number;
    }
  /** Forces the memory to disk, so that it outlives the host's going down. */
  | { readonly kind: 'settle-standby'; readonly id: InstanceId; readonly base?: SnapshotId }
  /** From its own standby; with `base`, as a fork from that. */
  | {
      readonly kind: 'restore-machine';
      readonly hypervisor: Hypervisor;
      readonly machine: Machine;
      readonly base?: SnapshotId;
    }
  /** What the programs held in memory is lost. */
  | { readonly kind: 'discard-standby'; readonly id: InstanceId }
  /** Of a guest that goes on after a standby: its clock stood still, its random numbers would repeat. */
  | { readonly kind: 'refresh-guest'; readonly id: InstanceId }
  /** What a fork takes from the declaration of its source is kept with it. */
  | {
      readonly kind: 'keep-inheritance';
      readonly key: InstanceKey;
      readonly source: InstanceKey;
      /** Of the source that is asked: what is declared of another one under its key is not taken. */
      readonly uid: string;
      /** What the source's state is now. */
      readonly state: RunState;
    }
  /** Programs stand still, so that none of them runs in a fork before that is itself. */
  | { readonly kind: 'hold-guest'; readonly id: InstanceId }
  | { readonly kind: 'release-guest'; readonly id: InstanceId }
  /** A base of a machine that runs, or is in standby; its guest is released after it, whatever comes. */
  | {
      readonly kind: 'freeze-machine';
      readonly hypervisor: Hypervisor;
      readonly machine: Machine;
      readonly base: SnapshotId;
      readonly origin: Omit<Origin, 'takenAt'>;
    }
  /** A base of a stopped machine. */
  | {
      readonly kind: 'freeze-disks';
      readonly id: InstanceId;
      readonly disks: readonly MachineDisk[];
      readonly base: SnapshotId;
      readonly origin: Omit<Origin, 'takenAt'>;
    }
  /** The fork's own disks, each from the base's of the same serial, in place of what is there; the overlay last. */
  | {
      readonly kind: 'clone-disks';
      readonly base: SnapshotId;
      readonly disks: readonly MachineDisk[];
      readonly owner: Identity['owner'];
    }
  /** Of a fork whose guest still is its source's: address, names, machine id, time and chance become its own. */
  | {
      readonly kind: 'identify-guest';
      readonly id: InstanceId;
      readonly identity: Omit<GuestIdentity, 'machineId'>;
    }
  | {
      readonly kind: 'request-shutdown';
      readonly id: InstanceId;
      readonly hypervisor: Hypervisor;
      readonly graceMs: number;
    }
  | { readonly kind: 'acknowledge-exit'; readonly id: InstanceId }
  | { readonly kind: 'kill-machine'; readonly id: InstanceId; readonly hypervisor: Hypervisor }
  /** The last step of a removal: record, directory, address. */
  | { readonly kind: 'forget-instance'; readonly key: InstanceKey; readonly identity: Identity };
