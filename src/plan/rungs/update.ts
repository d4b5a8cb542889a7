import type { Rung, Verdict } from '../verdict.ts';
import { growthOf } from '../memory.ts';
import { firstUnmet, met } from '../verdict.ts';
import { changesAtRestart, isRecreateWanted, isRestartAsked } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';
import { driverAvailable, kernelPresent, toolsPresent } from './host-ready.ts';
import { imageReady, pinFor, pulled } from './image.ts';
import { hotplugAvailable } from './memory.ts';
import { proxyReachable } from './policy.ts';
import { credentialsKnown, environmentKnown, programKnown, programOf } from './start-words.ts';
import { beginStop } from './stop.ts';
import { volumesFree } from './volumes.ts';

const startable = [
  toolsPresent,
  driverAvailable,
  hotplugAvailable,
  kernelPresent,
  environmentKnown,
  credentialsKnown,
  proxyReachable,
  volumesFree,
];

/** Restarted when the annotation asks, but never stopped for a start that cannot follow. */
export const restartAnswered: Rung<RecordedWorld> = (world) => (isRestartAsked(world) ? restart(world) : met);

/** Edits that need a restart get one where the policy says so; all of them in one interruption. */
export const updated: Rung<RecordedWorld> = (world) => {
  if (world.desired.instance.spec.updatePolicy === 'OnRestart') return met;
  const isGrowing = growthOf(world).is === 'due';
  const hasChanges = changesAtRestart(world).some((path) => path !== 'size' || !isGrowing);
  if (!isRecreateWanted(world)) return hasChanges ? restart(world) : met;
  const isNextHopeless = world.nextImage?.state === 'failed' && world.nextImage.fate === 'invalid';
  return isNextHopeless && hasChanges ? restart(world) : recreate(world);
};

function restart(world: RecordedWorld): Verdict {
  const obstacle = firstUnmet([...startable, imageReady, programKnown], world);
  return obstacle.is === 'met' ? beginStop(world, 'Restart') : obstacle;
}

/** The new image is here, and names a program, before the old one is given up. */
function recreate(world: RecordedWorld): Verdict {
  const { nextImage = { state: 'absent' }, desired, now } = world;
  const { image: reference = '' } = desired.instance.spec;
  const isProgramKnown: Rung<RecordedWorld> = () => programOf(world, nextImage);
  const isPulled: Rung<RecordedWorld> = () => pulled(nextImage, pinFor(world, { reference }), now);
  const obstacle = firstUnmet([...startable, isPulled, isProgramKnown], world);
  return obstacle.is === 'met' ? beginStop(world, 'Recreate') : obstacle;
}
