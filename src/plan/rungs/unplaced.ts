import type { Rung } from '../verdict.ts';
import { met, waiting } from '../verdict.ts';
import type { KnownWorld, RecordedWorld } from '../world.ts';
import { beginStop } from './stop.ts';

/** Whoever says that it may start rings; this is for the case that he cannot. */
const LOOK_AGAIN_MS = 60_000;

/** It is to run, and may: where places are given, one may be free only later. */
export const startAllowed: Rung<RecordedWorld> = ({ desired: { startBar } }) =>
  startBar === undefined ? met : waiting(startBar.reason, startBar.message, LOOK_AGAIN_MS);

/** A memory on disk is kept with the disks: it takes no room that runs. */
export const unplacedStopped: Rung<KnownWorld> = (world) =>
  world.machine.state === 'absent' ? met : beginStop(world, 'Unplaced');
