import type { InstanceKey, SnapshotId, VolumeId } from './ids.ts';
import type { Hypervisor } from './machine.ts';
import type { Applied, Forking } from './record.ts';
import type { SnapshotManifest } from './snapshot.ts';

/** What is written beside the disks of a base, so that a fork needs nothing of its source any more. */
export type Origin = {
  readonly version: 1;
  readonly instance: InstanceKey;
  /** Whatever the source did before is in it, ms since the epoch: the pause came no earlier. */
  readonly takenAt: number;
  readonly image: { readonly reference: string; readonly digest: string };
  /** Keys the digests in `run`: who goes on with the run goes on with its salt. */
  readonly salt: string;
  /** Absent: it was stopped, and there is no memory. */
  readonly run?: { readonly hypervisor: Hypervisor; readonly applied: Applied; readonly link?: 'down' };
  /** The writable disks in it, by their serials; `volume`: a private layer over this one. */
  readonly disks: readonly { readonly serial: string; readonly volume?: VolumeId }[];
  /** How long the source stood still for it; not known before it went on. */
  readonly sourcePauseMs?: number;
};

/** A base that forks can start from. */
export type Base = { readonly id: SnapshotId; readonly manifest: SnapshotManifest; readonly origin: Origin };

/** Whether it is what a fork waits for that asked then: whatever its source did before that is in it. */
export function answers(
  { origin, manifest }: Base,
  { instance, askedOf = manifest.source }: Pick<Forking, 'instance' | 'askedOf'>,
  askedAt: number,
): boolean {
  return origin.instance === instance && manifest.source === askedOf && origin.takenAt >= askedAt;
}

const ORIGIN_FILE = 'origin.json';

export function originPathIn(disksDirectory: string): string {
  return `${disksDirectory}/${ORIGIN_FILE}`;
}

export function diskPathIn(disksDirectory: string, serial: string): string {
  return `${disksDirectory}/${serial}.img`;
}

export function originText(origin: Origin): string {
  return `${JSON.stringify(origin, undefined, 2)}\n`;
}

/** Ours alone can write it: the parts without which nothing can be begun are checked. */
export function readOrigin(text: string): Origin | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isOrigin(value) ? value : undefined;
}

function isOrigin(value: unknown): value is Origin {
  if (typeof value !== 'object' || value === null) return false;
  const { version, instance, takenAt, image, salt, disks } = value as Partial<Record<keyof Origin, unknown>>;
  return (
    version === 1 &&
    typeof instance === 'string' &&
    typeof takenAt === 'number' &&
    typeof image === 'object' &&
    typeof salt === 'string' &&
    Array.isArray(disks)
  );
}
