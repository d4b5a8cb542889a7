import { bootWritten, machineStarted, onceReady } from './rungs/start.ts';
import { endRecorded } from './rungs/end.ts';
import { credentialsKnown, environmentKnown, programKnown } from './rungs/start-words.ts';
import { authorityOffered, authorityTrusted } from './rungs/trust.ts';
import { credentialsRecorded } from './rungs/credentials.ts';
import { exitRecorded } from './rungs/exit.ts';
import { driverAvailable, kernelPresent, toolsPresent } from './rungs/host-ready.ts';
import { imagePinned, imageReady, imageRepinned } from './rungs/image.ts';
import { kill, stateWanted, stopFinished } from './rungs/stop.ts';
import { machineAccountedFor, machineAnswers } from './rungs/machine-known.ts';
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
import { mediatedMeanwhile } from './rungs/meanwhile.ts';
import { notPaused, programStarted } from './rungs/running.ts';
import { overlayFits } from './rungs/overlay.ts';
import { forgotten, machineStopped } from './rungs/remove.ts';
import { restartAnswered, updated } from './rungs/update.ts';
import { restartDue } from './rungs/restart-due.ts';
import type { Rung } from './verdict.ts';
import { met, unmet } from './verdict.ts';
import type { KnownWorld, RecordedWorld } from './world.ts';

/** Order is dependency order; the first rung that is not met decides. */
export const buildLadder: readonly Rung<RecordedWorld>[] = [
  // What has happened is written down.
  exitRecorded,
  endRecorded,
  // What has begun is finished, what is not wanted is stopped.
  ...[stopFinished, machineAnswers].map(mediatedMeanwhile),
  machineAccountedFor,
  // From nothing to a machine that runs: first what may be waited for, then what is made.
  holdingNoPolicy(stateWanted),
  ...[
    restartDue,
    toolsPresent,
    imageRepinned,
    imageReady,
    imagePinned,
    driverAvailable,
    kernelPresent,
    environmentKnown,
    credentialsKnown,
    programKnown,
    proxyReachable,
  ]
    .map(holdingNoPolicy)
    .map(whileDown),
  ...[
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
    credentialsRecorded,
    notPaused,
    restartAnswered,
    updated,
    programStarted,
    authorityOffered,
    credentialsKnown,
    proxyReachable,
    authorityTrusted,
  ].map(whileUp),
];

/** The way back, for an instance that is not wanted any more: nothing goes from under a machine. */
export const removeLadder: readonly Rung<KnownWorld>[] = [
  exitRecorded,
  stopFinished,
  machineStopped,
  networkRemoved,
  forgotten,
];

/** No vCPU runs. A machine that is created but lacks something is ended first: it holds its disks open. */
function whileDown(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) => {
    const { machine } = world;
    if (machine.state !== 'absent' && machine.state !== 'created') return met;
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
