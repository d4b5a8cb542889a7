import type { RestartPolicy } from '../../api/instance.ts';
import type { InstanceRecord } from '../../machine/record.ts';
import { restartDelayMs } from '../backoff.ts';
import { elapsed, timeText } from '../patience.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, resting, waiting } from '../verdict.ts';
import { changesAtRestart, isRecreateWanted, isRestartAsked } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';

/**
 * After an end that nobody asked for: is another start wanted, and is it time? A crash of the hypervisor
 * or a reboot of the host is no exit of the program, and healed under every policy.
 */
export const restartDue: Rung<RecordedWorld> = (world) => {
  const { record, desired } = world;
  if (record.stoppedAt === undefined || record.failures === 0 || isRestartAsked(world)) return met;
  const { restartPolicy, updatePolicy } = desired.instance.spec;
  const isEdited = changesAtRestart(world).length > 0 || isRecreateWanted(world);
  if (isEdited && updatePolicy !== 'OnRestart') return met;
  if (record.exit !== undefined && !startsAgain(restartPolicy, record.exit)) return ended(record.exit);
  // An edit may be the cure: it is not kept waiting for a pause that the old words earned.
  return isEdited ? met : pauseOver(world, record.stoppedAt);
};

function startsAgain(policy: RestartPolicy, exit: Exit): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && !isSuccess(exit));
}

type Exit = NonNullable<InstanceRecord['exit']>;

/** Powering off without a word of failure is a success, as it is for a machine of metal. */
function isSuccess({ code }: Exit): boolean {
  return code === undefined || code === 0;
}

function ended(exit: Exit): Verdict {
  const again = 'spec.restartPolicy does not start it again; the annotation hypeman.dev/restartedAt does';
  return resting(isSuccess(exit) ? 'Completed' : 'Exited', `the program ended: ${exit.message}; ${again}`);
}

function pauseOver({ record, now }: RecordedWorld, stoppedAt: number): Verdict {
  const { exit, failures, identity } = record;
  const delayMs = restartDelayMs(identity.id, failures, exit === undefined ? 'crash' : 'exit');
  const leftMs = delayMs - elapsed(stoppedAt, now);
  if (leftMs <= 0) return met;
  const what = exit === undefined ? 'the machine ended without a word of the program' : exit.message;
  return waiting(
    failures > 1 ? 'CrashLoop' : 'Restarting',
    `ended ${failures} times in a row, last: ${what}; next start at ${timeText(stoppedAt + delayMs)}`,
    leftMs,
  );
}
