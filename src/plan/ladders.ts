import { bootWritten, machineStarted, onceReady } from './rungs/start.ts';
import { endRecorded, uselessMemoryDiscarded } from './rungs/end.ts';
import { credentialsKnown, environmentKnown, programKnown } from './rungs/start-words.ts';
import { authorityOffered, authorityTrusted } from './rungs/trust.ts';
import { credentialsRecorded } from './rungs/credentials.ts';
import { exitRecorded, poweredOff } from './rungs/exit.ts';
import { disksThrottled } from './rungs/disk-limit.ts';
import { driverAvailable, kernelPresent, ownDriverAvailable, toolsPresent } from './rungs/host-ready.ts';
import { imagePinned, imageReady, imageRepinned } from './rungs/image.ts';
import { kill, stopFinished } from './rungs/stop.ts';
import { machineAccountedFor, machineAnswers } from './rungs/machine-known.ts';
import { hotplugAvailable, memoryGrown } from './rungs/memory.ts';
import {
  networkGone,
  networkRemoved,
  tapSafe,
  tapGuarded,
  tapKept,
  tapShaped,
  tapUp,
} from './rungs/network.ts';
import { holdingNoPolicy, policyDropped, policyPut, proxyReachable } from './rungs/policy.ts';
import { guardedMeanwhile, mediatedMeanwhile } from './rungs/meanwhile.ts';
import { notPaused, programStarted } from './rungs/running.ts';
import { overlayFits } from './rungs/overlay.ts';
import { forgotten, machineStopped } from './rungs/remove.ts';
import { forkBased, forkBaseKept, forkDeclared, forkDisksCloned, forkIdentified } from './rungs/fork.ts';
import { guestReleased, releasedMeanwhile, runningFrozen, servingForks } from './rungs/freeze.ts';
import {
  guestRefreshed,
  halfSuspendedResumed,
  machineRestored,
  memoryFits,
  noHalfRestore,
} from './rungs/restore.ts';
import { machineSuspended } from './rungs/standby.ts';
import { stateWanted } from './rungs/state-wanted.ts';
import { isSuspended, mayRun } from './suspended.ts';
import { restartAnswered, updated } from './rungs/update.ts';
import { restartDue } from './rungs/restart-due.ts';
import { startAllowed, unplacedStopped } from './rungs/unplaced.ts';
import { volumesFree, volumesMade } from './rungs/volumes.ts';
import type { Rung } from './verdict.ts';
import { met, unmet } from './verdict.ts';
import type { KnownWorld, RecordedWorld } from './world.ts';

/** Order is dependency order; the first rung that is not met decides. */
export const buildLadder: readonly Rung<RecordedWorld>[] = [
  // What has happened is written down.
  forkBaseKept,
  exitRecorded,
  uselessMemoryDiscarded,
  endRecorded,
  // What has begun is finished, what is not wanted is stopped.
  ...[poweredOff, stopFinished, machineAnswers].map(mediatedMeanwhile),
  machineAccountedFor,
  noHalfRestore,
  // What a fork starts from, before it is at rest or starts.
  ...[forkDeclared, forkBased, forkDisksCloned].map(holdingNoPolicy),
  holdingNoPolicy(servingForks(stateWanted)),
  // From standby to a machine that goes on: the same order, for what it was started with.
  ...[toolsPresent, ownDriverAvailable, imageReady, memoryFits, credentialsKnown, proxyReachable]
    .map(holdingNoPolicy)
    .map(whileSuspended),
  ...[tapUp, policyPut, policyDropped, tapGuarded, tapShaped, machineRestored].map(whileSuspended),
  // From nothing to a machine that runs: first what may be waited for, then what is made.
  ...[
    servingForks(restartDue),
    startAllowed,
    toolsPresent,
    imageRepinned,
    imageReady,
    imagePinned,
    driverAvailable,
    hotplugAvailable,
    kernelPresent,
    environmentKnown,
    credentialsKnown,
    programKnown,
    volumesFree,
    proxyReachable,
  ]
    .map(holdingNoPolicy)
    .map(whileDown),
  ...[
    volumesMade,
    overlayFits,
    networkGone,
    tapUp,
    policyPut,
    policyDropped,
    tapGuarded,
    tapShaped,
    onceReady(bootWritten),
    onceReady(machineStarted),
  ].map(whileDown),
  // Under a machine that runs: what can be done live, the reasons to stop it, what only time can mend.
  ...[
    tapKept,
    tapSafe,
    policyPut,
    tapGuarded,
    policyDropped,
    tapShaped,
    disksThrottled,
    credentialsRecorded,
    forkIdentified,
    runningFrozen,
    machineSuspended,
    halfSuspendedResumed,
    notPaused,
    restartAnswered,
    updated,
    programStarted,
    guestRefreshed,
    authorityOffered,
    credentialsKnown,
    proxyReachable,
    authorityTrusted,
    memoryGrown,
  ]
    .map(releasedMeanwhile)
    .map(whileUp),
  whileUp(guestReleased),
];

/** To rest, for an instance of which nothing is known but that it must not run here. */
export const stopLadder: readonly Rung<KnownWorld>[] = [
  exitRecorded,
  endRecorded,
  ...[poweredOff, stopFinished, unplacedStopped].map(guardedMeanwhile),
];

/** The way back, for an instance that is not wanted any more: nothing goes from under a machine. */
export const removeLadder: readonly Rung<KnownWorld>[] = [
  exitRecorded,
  ...[poweredOff, stopFinished, machineStopped].map(guardedMeanwhile),
  networkRemoved,
  forgotten,
];

function whileSuspended(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) => (isSuspended(world) ? rung(world) : met);
}

/** No vCPU runs, and no memory waits to go on. A machine that is created but lacks something is ended first: it holds its disks open. */
function whileDown(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) => {
    const { machine } = world;
    if (isSuspended(world) || mayRun(world)) return met;
    const verdict = rung(world);
    if (machine.state === 'absent' || verdict.is !== 'unmet') return verdict;
    if (verdict.actions.every(({ kind }) => kind === 'start-machine')) return verdict;
    return unmet('Starting', 'the start was cut short: the machine is created anew', kill(world));
  };
}

function whileUp(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) =>
    world.machine.state === 'running' || world.machine.state === 'paused' ? rung(world) : met;
}
