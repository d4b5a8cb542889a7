import { UNANSWERED_MS } from '../patience.ts';
import type { Rung } from '../verdict.ts';
import { met, unmet, waiting } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';
import { beginStop, kill } from './stop.ts';

/** What a hypervisor does not tell is not guessed: unreachable is not stopped. */
export const machineAnswers: Rung<RecordedWorld> = ({ machine }) =>
  machine.state === 'unknown'
    ? waiting('Unreachable', `the hypervisor does not answer: ${machine.error}`, UNANSWERED_MS)
    : met;

/** A machine that no recorded start accounts for (a record brought back from a copy) is replaced by one. */
export const machineAccountedFor: Rung<RecordedWorld> = (world) => {
  const { record, machine } = world;
  if (machine.state === 'absent' || record.run !== undefined) return met;
  if (machine.state === 'running' || machine.state === 'paused') return beginStop(world, 'Restart');
  return unmet('Restarting', 'a machine that was never put on record is ended', kill(world));
};
