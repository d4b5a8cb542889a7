import { quantityText } from '../api/quantity.ts';
import { growthStepBytes, HOTPLUG_SLOTS, pluggedBytes } from '../machine/hotplug.ts';
import type { Dimm } from '../machine/hotplug.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { isSuspended } from './suspended.ts';
import type { KnownWorld, RecordedWorld } from './world.ts';

type Run = NonNullable<InstanceRecord['run']>;

/** What is plugged into the machine there is: as it says itself, or as its memory was kept. */
export function dimmsSeen({ machine, standby }: Pick<KnownWorld, 'machine' | 'standby'>): readonly Dimm[] {
  if (machine.state === 'running' || machine.state === 'paused') return machine.dimms ?? [];
  return standby.state === 'ready' ? (standby.manifest.memory?.shape.hotplug?.dimms ?? []) : [];
}

/** All the RAM of a run: of its machine as it is seen, else as it was last asked to be. */
export function memoryInEffect({ machine, standby }: KnownWorld, run: Run): number {
  const isSeen = machine.state === 'running' || machine.state === 'paused' || standby.state === 'ready';
  const atStart = Number(run.applied.fields.size);
  if (!isSeen) return run.memoryBytes ?? atStart;
  return atStart + pluggedBytes(dimmsSeen({ machine, standby }));
}

/** What becomes of an edit of the size under a machine that runs, or that goes on from its memory. */
export type Growth =
  | { readonly is: 'none' }
  /** It gets so much in all, at once, or as soon as it goes on. */
  | { readonly is: 'due'; readonly bytes: number }
  /** It was started with room to grow; `why` it takes a restart all the same, as one clause. */
  | { readonly is: 'barred'; readonly why: string };

export function growthOf(world: RecordedWorld): Growth {
  const { machine, record, desired } = world;
  const { run } = record;
  const room = Number(run?.applied.fields.hotplugSize ?? 0);
  const isThere = machine.state === 'running' || isSuspended(world);
  if (run === undefined || !isThere || room === 0) return { is: 'none' };
  const bytes = desired.instance.spec.memoryBytes;
  const effective = memoryInEffect(world, run);
  if (bytes === effective) return { is: 'none' };
  const why = obstacleTo({ run, effective, bytes, dimms: dimmsSeen(world) });
  return why === undefined ? { is: 'due', bytes } : { is: 'barred', why };
}

type Wish = {
  readonly run: Run;
  readonly effective: number;
  readonly bytes: number;
  readonly dimms: readonly Dimm[];
};

function obstacleTo({ run, effective, bytes, dimms }: Wish): string | undefined {
  const atStart = Number(run.applied.fields.size);
  const most = atStart + Number(run.applied.fields.hotplugSize);
  const step = growthStepBytes(atStart);
  if (bytes < effective) return 'memory is not taken from a guest that runs';
  if (bytes > most) return `hotplugSize at the last start left room up to ${quantityText('size', most)}`;
  if ((bytes - effective) % step !== 0)
    return `a guest that runs takes memory in steps of ${quantityText('size', step)}, from ${quantityText('size', effective)} on`;
  if (dimms.length >= HOTPLUG_SLOTS) return `it has been raised ${HOTPLUG_SLOTS} times since the last start`;
  return undefined;
}
