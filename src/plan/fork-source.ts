import type { RunState, VolumeMount } from '../api/instance.ts';
import { isKnown, isRecorded, isReplaced } from './known.ts';
import { restartDue } from './rungs/restart-due.ts';
import { stateOf } from './run-state.ts';
import { isRunOpen } from '../machine/record.ts';
import type { Rung, Verdict } from './verdict.ts';
import { firstUnmet, met, stuck, waiting } from './verdict.ts';
import { mountsApplied } from './volumes.ts';
import { hypervisorOfMachine } from './wishes.ts';
import type { KnownWorld, RecordedWorld, World } from './world.ts';

/** A source that becomes ready rings; this is for the case that it cannot. */
const LOOK_AGAIN_MS = 10_000;

/** The state that a fork of it gets when it says nothing of that. */
export function sourceState(source: World): RunState {
  const state = stateOf(source);
  return state === 'Running' || state === 'Standby' ? state : 'Stopped';
}

/** Why the instance cannot be forked as its fork asks. Nothing that can be known before is left to be found out later. */
export function sourceObstacle(fork: RecordedWorld, source: World): Verdict {
  if (!isKnown(source) || source.desired.is !== 'wanted') return notThere(source);
  if (isReplaced(source))
    return notReady(
      `${source.key} is being replaced by another of that name: it is forked once that was started`,
    );
  return firstUnmet([hasSomething, sharesItsVolumes, (known) => stateAllows(fork, known)], source);
}

function notThere({ key, desired }: World): Verdict {
  if (desired.is === 'wanted')
    return notReady(`${key} is declared and not there yet: it is forked once it was started`);
  return notReady(
    desired.is === 'held'
      ? `${key} cannot be forked now: ${desired.refused.message}`
      : `there is no Instance ${key} to fork: declare it, or correct spec.forkFrom.instance`,
  );
}

const sharesItsVolumes: Rung<KnownWorld> = (source) => {
  const writable = mountsOf(source)
    .filter((mount) => !mount.readonly)
    .map(({ volume }) => volume);
  if (writable.length > 0)
    return stuck(
      'SourceNotReady',
      `${source.key} mounts ${writable.join(', ')} for writing, which two cannot share: mount it there with readonly and overlay, and restart it`,
    );
  return met;
};

const hasSomething: Rung<KnownWorld> = (source) => {
  if (source.record.image === undefined)
    return stuck(
      'SourceNotReady',
      `${source.key} was never started: there is nothing that a fork could take`,
    );
  if (source.record.fork?.base !== undefined)
    return notReady(`${source.key} is a fork that has not run yet: fork its source, or let it run`);
  return met;
};

function stateAllows(fork: RecordedWorld, source: KnownWorld): Verdict {
  const state = stateOf(source);
  if (state === 'Running') return runningObstacle(fork, source);
  if (state === 'Standby') return memoryObstacle(source);
  if (state === 'Created' || state === 'Stopped')
    return isAtRest(source) ? met : notReady(`${source.key} is about to be started`);
  return notReady(`${source.key} is ${state ?? 'not there'}: it is forked Running, Standby or Stopped`);
}

function runningObstacle({ desired }: RecordedWorld, source: KnownWorld): Verdict {
  if (desired.instance.spec.forkFrom?.fromRunning !== true)
    return stuck(
      'SourceNotReady',
      `${source.key} is Running, and forking it makes it stand still for a moment: allow that with spec.forkFrom.fromRunning: true, or stop it first`,
    );
  const { guest } = source;
  if (guest.state !== 'started') return notReady(`the guest of ${source.key} does not answer`);
  if (guest.identity === undefined)
    return stuck(
      'SourceNotReady',
      `the guest of ${source.key} was started by an earlier version and cannot become another: restart it once`,
    );
  if (guest.identity !== source.record.identity.id || source.record.run?.standby !== undefined)
    return notReady(`${source.key} goes on from a snapshot itself: it is forked when it has`);
  return memoryObstacle(source);
}

function memoryObstacle(source: KnownWorld): Verdict {
  const hypervisor = hypervisorOfMachine(source);
  if (source.host.drivers[hypervisor]?.abilities?.fork === true) return met;
  return stuck(
    'SourceNotReady',
    `${hypervisor} cannot fork a machine with its memory here: stop ${source.key} first`,
  );
}

/** Stopped as declared, or ended for good. */
function isAtRest(source: KnownWorld): boolean {
  if (!isRecorded(source) || source.record.stopping !== undefined) return false;
  return source.desired.instance.spec.state === 'Stopped' || restartDue(source).is === 'rest';
}

function notReady(message: string): Verdict {
  return waiting('SourceNotReady', message, LOOK_AGAIN_MS);
}

/** The mounts that the machine has, or would have. */
export function mountsOf({ record, desired }: KnownWorld): readonly VolumeMount[] {
  if (isRunOpen(record)) return mountsApplied(record.run.applied.fields);
  return desired.is === 'wanted' ? desired.instance.spec.volumes : [];
}
