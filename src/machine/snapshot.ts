import type { Hotplug } from './hotplug.ts';
import type { InstanceId } from './ids.ts';
import type { Hypervisor, Machine } from './machine.ts';

/** What a machine must be like to go on from a snapshot; device states fit no other. */
export type MachineShape = {
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly hotplug?: Hotplug;
  /** Serials of the disks, in order; which files are behind them may differ. */
  readonly disks: readonly string[];
  readonly hasNic: boolean;
};

/** Who wrote the device state: it can be read back by the same and no other. */
export type SnapshotWriter = {
  readonly hypervisor: Hypervisor;
  readonly version: string;
  readonly accelerator: string;
};

export type KeptMemory = {
  readonly writer: SnapshotWriter;
  readonly shape: MachineShape;
  /** mtime of the file in ns: nobody but root can set it back, so a frozen memory that was written to is seen. */
  readonly writtenAt: string;
  /** The same of each file of what was plugged in. */
  readonly dimmsWrittenAt?: readonly string[];
};

/** `manifest.json`: what a snapshot is of, and what can go on from it. */
export type SnapshotManifest = {
  readonly version: 1;
  /** Whose memory this is. */
  readonly source: InstanceId;
  readonly createdAt: number;
  /** Absent in a base of a stopped machine: it has disks only, and its forks boot. */
  readonly memory?: KeptMemory;
  /**
   * Memory and device state may be in the page cache only: good while the host has this boot id, void
   * after a power cut. Absent when all of it is known to be on disk.
   */
  readonly unsettledOnBoot?: string;
};

/** What lies in a snapshot's place. */
export type SnapshotState =
  | { readonly state: 'absent' }
  | { readonly state: 'ready'; readonly manifest: SnapshotManifest; readonly isSettled: boolean }
  /** Something is there and nothing can go on from it; `why` is one clause for a user. */
  | { readonly state: 'void'; readonly why: string };

/** What a host can do with snapshots and disks of a hypervisor; the planner asks a driver for nothing else. */
export type Abilities = {
  readonly standby: boolean;
  readonly fork: boolean;
  /** The limit of its disks can be changed while a machine runs. */
  readonly diskThrottle: boolean;
  /** Memory can be added to a running machine. */
  readonly memoryHotplug: boolean;
};

export function shapeOf({ vcpus, memoryBytes, hotplug, disks, nic }: Machine): MachineShape {
  return {
    ...{ vcpus, memoryBytes, disks: disks.map(({ serial }) => serial), hasNic: nic !== undefined },
    ...(hotplug === undefined ? {} : { hotplug }),
  };
}

/** Why this machine cannot go on from the snapshot on this hypervisor, as one clause; undefined when it can. */
export function mismatchOf(
  kept: KeptMemory,
  shape: MachineShape,
  writer: SnapshotWriter,
): string | undefined {
  const was = kept.writer;
  if (was.hypervisor !== writer.hypervisor || was.version !== writer.version)
    return `it was taken by ${was.hypervisor} ${was.version}, and this host has ${writer.hypervisor} ${writer.version}`;
  if (was.accelerator !== writer.accelerator)
    return `it was taken on ${was.accelerator}, and this host runs machines on ${writer.accelerator}`;
  const different = SHAPE_WORDS.find(
    ([field]) => JSON.stringify(kept.shape[field]) !== JSON.stringify(shape[field]),
  );
  return different === undefined ? undefined : `its machine has other ${different[1]}`;
}

const SHAPE_WORDS: readonly (readonly [keyof MachineShape, string])[] = [
  ['vcpus', 'vcpus'],
  ['memoryBytes', 'memory'],
  ['hotplug', 'memory plugged in, or room for it'],
  ['disks', 'disks'],
  ['hasNic', 'network devices'],
];

export function manifestText(manifest: SnapshotManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** What a manifest's text says on a host with this boot id. */
export function readManifest(text: string, bootId: string): SnapshotState {
  const manifest = parseManifest(text);
  if (manifest === undefined)
    return { state: 'void', why: 'its manifest cannot be read by this version of hypeman-controller' };
  const { unsettledOnBoot } = manifest;
  if (unsettledOnBoot !== undefined && unsettledOnBoot !== bootId)
    return { state: 'void', why: 'the host went down before all of it was on disk' };
  return { state: 'ready', manifest, isSettled: unsettledOnBoot === undefined };
}

function parseManifest(text: string): SnapshotManifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isManifest(value) ? value : undefined;
}

/** Ours alone can write it, so that a version and the parts that are compared are enough to check. */
function isManifest(value: unknown): value is SnapshotManifest {
  return (
    isObject(value) &&
    value.version === 1 &&
    typeof value.source === 'string' &&
    (value.memory === undefined || isMemory(value.memory)) &&
    (value.unsettledOnBoot === undefined || typeof value.unsettledOnBoot === 'string')
  );
}

function isMemory(value: unknown): boolean {
  return (
    isObject(value) && typeof value.writtenAt === 'string' && isObject(value.writer) && isObject(value.shape)
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
