import type { Hypervisor } from '../machine/machine.ts';
import type { Fields, InstanceRecord } from '../machine/record.ts';
import { nameOf } from '../machine/ids.ts';
import {
  ENV_FIELD_PREFIX,
  environmentFields,
  fieldsOf,
  FORK_FIELD,
  NETWORK_FIELD,
  pendingFields,
} from './fields.ts';
import { memoryInEffect } from './memory.ts';
import { hasMachine, isSuspended } from './suspended.ts';
import type { KnownWorld, RecordedWorld } from './world.ts';

/** The annotation that restarts when its value changes, as `kubectl rollout restart` does. */
const RESTARTED_AT = 'hypeman.dev/restartedAt';

export function restartedAtOf({ desired }: RecordedWorld): string | undefined {
  return desired.instance.annotations[RESTARTED_AT];
}

export function isRestartAsked(world: RecordedWorld): boolean {
  const asked = restartedAtOf(world);
  return asked !== undefined && world.record.run !== undefined && asked !== world.record.restartedAt;
}

/** Who runs the machine there is, or ran the last one. */
export function hypervisorOfMachine({ record, desired, host }: KnownWorld): Hypervisor {
  const asked = desired.is === 'wanted' ? desired.instance.spec.hypervisor : undefined;
  return record.run?.hypervisor ?? asked ?? host.defaultHypervisor;
}

/** Who shall run it. While a machine is there the host's default is the one it was started with. */
export function hypervisorWanted(world: RecordedWorld): Hypervisor {
  const { record, desired, host } = world;
  const present = hasMachine(world) ? record.run?.hypervisor : undefined;
  return desired.instance.spec.hypervisor ?? present ?? host.defaultHypervisor;
}

/** By what the machine was started with while there is one, else by what it will be started with. */
export function isNetworked(world: RecordedWorld): boolean {
  const { record, desired } = world;
  const applied = hasMachine(world) ? record.run?.applied.fields[NETWORK_FIELD] : undefined;
  return applied === undefined ? desired.instance.spec.network.enabled : applied === 'true';
}

/** It has a network device whose link is down, for it is to have no network. */
export function isCutOff(world: KnownWorld): boolean {
  return hasMachine(world) && world.record.run?.link === 'down';
}

/** What the spec says. An environment that cannot be had now counts as unchanged. */
function fieldsWanted(world: RecordedWorld): Fields {
  const { desired, record } = world;
  const fields = fieldsOf(desired.instance.spec, {}, hypervisorWanted(world));
  const environment =
    desired.environment.is === 'ready'
      ? environmentFields(desired.environment.digests)
      : environmentOf(record.run?.applied.fields ?? {});
  return { ...fields, ...environment };
}

/** What a start now would bring: the pinned image, an overlay that never shrinks, and whom it was forked from. */
export function fieldsAtStart(world: RecordedWorld): Fields {
  const { record, overlay, desired } = world;
  const bytes = Math.max(desired.instance.spec.overlayBytes, overlay.state === 'ready' ? overlay.bytes : 0);
  const image = record.image === undefined ? {} : { image: record.image.reference };
  return forkedAs(record, { ...fieldsWanted(world), ...image, overlaySize: String(bytes) });
}

function forkedAs({ fork }: InstanceRecord, fields: Fields): Fields {
  const others = Object.entries(fields).filter(([path]) => path !== FORK_FIELD);
  const forked = fork === undefined ? {} : { [FORK_FIELD]: nameOf(fork.instance) };
  return { ...Object.fromEntries(others), ...forked };
}

/** The edits that the guest does not have: of a machine there is, or that even a start would not bring. */
export function pendingOf(world: RecordedWorld): readonly string[] {
  const { run } = world.record;
  const has = run === undefined || !hasMachine(world) ? fieldsAtStart(world) : fieldsInEffect(world, run);
  return pendingFields(has, fieldsWanted(world));
}

/** The edits since the last start that another start would bring. */
export function changesAtRestart(world: RecordedWorld): readonly string[] {
  const { run } = world.record;
  return run === undefined ? [] : pendingFields(fieldsInEffect(world, run), fieldsAtStart(world));
}

/** What the machine of a run was started with, and what changed under it since: its memory, the limit of its disks. */
export function fieldsInEffect(world: RecordedWorld, run: NonNullable<InstanceRecord['run']>): Fields {
  const { diskIoBps, ...fields } = run.applied.fields;
  const limit = diskLimitInEffect(world, diskIoBps);
  return {
    ...fields,
    ...(fields.size === undefined ? {} : { size: String(memoryInEffect(world, run)) }),
    ...(limit === undefined ? {} : { diskIoBps: limit }),
  };
}

/** As the machine tells it; one that is to go on from its memory does so with what is wanted now. */
function diskLimitInEffect(world: RecordedWorld, atStart: string | undefined): string | undefined {
  const { machine, desired } = world;
  if (isSuspended(world)) return desired.instance.spec.diskBps?.toString();
  const isSeen = machine.state === 'running' || machine.state === 'paused';
  if (!isSeen || machine.diskBytesPerSecond === undefined) return atStart;
  return machine.diskBytesPerSecond === 0 ? undefined : String(machine.diskBytesPerSecond);
}

/** The spec names another image than the pinned one. */
export function isImageChanged({ desired, record }: RecordedWorld): boolean {
  return record.image !== undefined && desired.instance.spec.image !== record.image.reference;
}

/** Another image is asked for, and the policy allows to give up the overlay for it. */
export function isRecreateWanted(world: RecordedWorld): boolean {
  return isImageChanged(world) && world.desired.instance.spec.updatePolicy === 'Recreate';
}

/** Nothing ran yet, so nothing of worth is on the overlay and no image has proved itself. A fork has its source's. */
export function hasNeverRun({ run, fork }: InstanceRecord): boolean {
  return run === undefined && fork?.source === undefined;
}

function environmentOf(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([path]) => path.startsWith(ENV_FIELD_PREFIX)));
}
