import { elapsed, READY_WITHIN_MS, UNANSWERED_MS } from '../patience.ts';
import { hasRun, machineApplied } from '../machine-for.ts';
import { withReady } from '../records.ts';
import type { Rung } from '../verdict.ts';
import { asked, firstUnmet, met, unmet, waiting } from '../verdict.ts';
import { hypervisorOfMachine } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';
import { kernelPresent } from './host-ready.ts';
import { imageReady } from './image.ts';
import { beginStop } from './stop.ts';

/**
 * A machine that somebody paused, or that its hypervisor halted on a full disk, is let run again: as it was started,
 * for what was edited since, a volume above all, is not its own.
 */
export const notPaused: Rung<RecordedWorld> = (world) => {
  if (world.machine.state !== 'paused') return met;
  const obstacle = firstUnmet(describable, world);
  if (obstacle.is !== 'met' || !hasRun(world)) return obstacle;
  return asked(UNANSWERED_MS, 'Paused', 'the machine is paused: it is let run again', {
    kind: 'start-machine',
    hypervisor: hypervisorOfMachine(world),
    machine: machineApplied(world),
  });
};

/** A driver is told of a machine as a whole, whether it has to be created or only let run. */
const describable = [imageReady, kernelPresent];

/** The program was seen started, and the agent with it unless it was declined. Once per run is enough. */
export const programStarted: Rung<RecordedWorld> = (world) => {
  const { record, guest, now } = world;
  const { run } = record;
  if (run === undefined || run.readyAt !== undefined) return met;
  const isAgentMissing = guest.state === 'started' && !guest.agentReady && needsAgent(run);
  if (guest.state === 'started' && !isAgentMissing)
    return unmet('Booting', 'the program started', {
      kind: 'write-record',
      record: withReady(record, run, now),
    });
  const leftMs = readyLeftMs(world, run.startedAt);
  if (leftMs <= 0) return beginStop(world, 'NeverReady');
  return waiting(
    'Booting',
    isAgentMissing ? 'the program runs, the agent is not ready' : 'the guest boots',
    leftMs,
  );
};

/** A controller that was away has heard nothing yet: silence counts from when it began to listen. */
export function readyLeftMs({ host, now }: RecordedWorld, since: number): number {
  return READY_WITHIN_MS - elapsed(Math.max(since, host.watchingSince), now);
}

function needsAgent({ applied }: NonNullable<RecordedWorld['record']['run']>): boolean {
  return applied.fields.skipGuestAgent !== 'true';
}
