import { quantityText } from '../api/quantity.ts';
import type { InstanceStatus } from '../api/status.ts';
import { withDigest } from '../machine/image.ts';
import { nameOf } from '../machine/ids.ts';
import type { Fields, Forking, InstanceRecord } from '../machine/record.ts';
import { stamped } from './conditions/claim.ts';
import { claimsOf } from './conditions/claims.ts';
import type { Failure, Outcome } from './outcome.ts';
import { timeText } from './patience.ts';
import { isRecorded } from './known.ts';
import { ownRecord, stateOf } from './run-state.ts';
import { hasMachine } from './suspended.ts';
import { mountsApplied } from './volumes.ts';
import { fieldsAtStart, fieldsInEffect, hypervisorOfMachine, hypervisorWanted, pendingOf } from './wishes.ts';
import type { RecordedWorld, World } from './world.ts';

/**
 * What the user is told. Equal worlds and outcomes give equal statuses, so that nothing is written at
 * rest; `previous` lends the times since when each condition has been what it is.
 */
export function statusOf(world: World, outcome: Outcome, previous?: InstanceStatus): InstanceStatus {
  const { desired, machine, host, now } = world;
  const observedGeneration = desired.is === 'gone' ? (previous?.observedGeneration ?? 0) : desired.generation;
  const state = stateOf(world);
  const record = ownRecord(world);
  return {
    observedGeneration,
    ...(state === undefined ? {} : { state }),
    ...(machine.state === 'unknown' ? { stateError: machine.error } : {}),
    ...(record === undefined ? {} : recordedPart(record, world)),
    ...(isRecorded(world) ? wantedPart(world) : {}),
    nodeName: host.nodeName,
    conditions: stamped(claimsOf(world, outcome), previous?.conditions ?? [], now, observedGeneration),
  };
}

/** When not even a look was possible: what was last seen, and that it may be old. */
export function statusUnseen(
  previous: InstanceStatus | undefined,
  failure: Failure,
  now: number,
): InstanceStatus {
  const last = previous ?? { observedGeneration: 0, conditions: [] };
  const { reason, message, fate } = failure;
  const progress = {
    type: fate === 'transient' ? 'Reconciling' : 'Stalled',
    status: 'True',
    reason,
    message,
  } as const;
  const kept = last.conditions.filter(({ type }) => !['Ready', 'Reconciling', 'Stalled'].includes(type));
  const ready = { type: 'Ready', status: 'Unknown', reason, message } as const;
  return {
    ...last,
    conditions: stamped([ready, ...kept, progress], last.conditions, now, last.observedGeneration),
  };
}

function recordedPart(record: InstanceRecord, { standby }: World): Partial<InstanceStatus> {
  const { identity, image, run, exit, stoppedAt, fork } = record;
  return {
    id: identity.id,
    createdAt: timeText(record.createdAt),
    restarts: record.restarts,
    hasSnapshot: standby.state === 'ready',
    ...(image === undefined ? {} : { image: withDigest(image) }),
    ...(fork === undefined ? {} : { fork: forkPart(fork) }),
    ...(run === undefined ? {} : { startedAt: timeText(run.startedAt) }),
    ...(stoppedAt === undefined ? {} : { stoppedAt: timeText(stoppedAt) }),
    ...(exit?.code === undefined ? {} : { exitCode: exit.code }),
    ...(exit === undefined ? {} : { exitMessage: exit.message }),
  };
}

const DISK_COPIES = { reflink: 'Reflink', 'sparse-copy': 'SparseCopy' } as const;

function forkPart({
  instance,
  sourcePauseMs,
  diskCopy,
  completedAt,
}: Forking): NonNullable<InstanceStatus['fork']> {
  return {
    source: nameOf(instance),
    ...(sourcePauseMs === undefined ? {} : { sourcePauseMs }),
    ...(diskCopy === undefined ? {} : { diskCopy: DISK_COPIES[diskCopy] }),
    ...(completedAt === undefined ? {} : { completedAt: timeText(completedAt) }),
  };
}

/** The effective values: of the machine there is, else of the one that would be started. */
function wantedPart(world: RecordedWorld): Partial<InstanceStatus> {
  const { record, overlay } = world;
  const { run } = record;
  const fields = run !== undefined && hasMachine(world) ? fieldsInEffect(world, run) : fieldsAtStart(world);
  const bytesOf = (path: string): number => Number(fields[path]);
  return {
    hypervisor: hasMachine(world) ? hypervisorOfMachine(world) : hypervisorWanted(world),
    vcpus: Number(fields.vcpus),
    size: quantityText('size', bytesOf('size')),
    ...hotplugPart(world, fields),
    overlaySize: quantityText('size', overlay.state === 'ready' ? overlay.bytes : bytesOf('overlaySize')),
    ...(fields.diskIoBps === undefined ? {} : { diskIoBps: quantityText('diskRate', bytesOf('diskIoBps')) }),
    ...volumesPart(fields),
    ...generationPart(world),
    ...networkPart(world),
    ...credentialsPart(world),
  };
}

/** What can still be plugged in, of a machine that has room for it or would have. */
function hotplugPart(world: RecordedWorld, fields: Fields): Partial<InstanceStatus> {
  const room = Number(fields.hotplugSize ?? 0);
  if (room === 0) return {};
  const plugged = hasMachine(world) ? Number(fields.size) - Number(world.record.run?.applied.fields.size) : 0;
  return { hotplugSize: quantityText('size', Math.max(0, room - plugged)) };
}

/** Of the declared credentials those that the proxy has had: a generation, and never a digest. */
function credentialsPart({ record, desired }: RecordedWorld): Partial<InstanceStatus> {
  const names = Object.keys(desired.instance.spec.credentials);
  if (names.length === 0) return {};
  const noted = Object.entries(record.credentials ?? {}).filter(([name]) => names.includes(name));
  return {
    credentials: noted.map(([name, { generation, rotatedAt }]) => ({
      name,
      generation,
      rotatedAt: timeText(rotatedAt),
    })),
  };
}

function volumesPart(fields: Fields): Partial<InstanceStatus> {
  const mounts = mountsApplied(fields);
  if (mounts.length === 0) return {};
  return {
    volumes: mounts.map(({ overlayBytes, ...mount }) => ({
      ...mount,
      ...(overlayBytes === undefined ? {} : { overlaySize: quantityText('size', overlayBytes) }),
    })),
  };
}

function generationPart(world: RecordedWorld): Partial<InstanceStatus> {
  const { record, desired } = world;
  if (record.run === undefined) return {};
  const pendingFields = pendingOf(world);
  const isCurrent = pendingFields.length === 0 && desired.refused === undefined;
  return {
    appliedGeneration: isCurrent ? desired.generation : record.run.applied.generation,
    ...(pendingFields.length === 0 ? {} : { pendingFields }),
  };
}

function networkPart({ record, desired }: RecordedWorld): Partial<InstanceStatus> {
  const { enabled, downloadBps, uploadBps } = desired.instance.spec.network;
  if (!enabled) return {};
  const { ip, mac } = record.identity;
  return {
    network: {
      name: 'default',
      ip,
      mac,
      ...(downloadBps === undefined ? {} : { bandwidthDownload: quantityText('bandwidth', downloadBps) }),
      ...(uploadBps === undefined ? {} : { bandwidthUpload: quantityText('bandwidth', uploadBps) }),
    },
  };
}
