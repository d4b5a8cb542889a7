import type { KnownWorld, RecordedWorld, World } from './world.ts';

export function isKnown(world: World): world is KnownWorld {
  return world.record !== 'absent';
}

export function isRecorded(world: World): world is RecordedWorld {
  return isKnown(world) && world.desired.is === 'wanted' && world.record.uid === world.desired.uid;
}

/** The key belongs to another resource now; what the last one left is removed before this one begins. */
export function isReplaced(world: World): world is KnownWorld {
  return isKnown(world) && world.desired.is === 'wanted' && world.record.uid !== world.desired.uid;
}
