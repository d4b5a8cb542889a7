import type { Action } from '../action.ts';
import { hasRun, machineApplied } from '../machine-for.ts';
import { withStandby } from '../records.ts';
import { hasMachine, isSuspended } from '../suspended.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { firstUnmet, met, resting, stuck, unmet } from '../verdict.ts';
import { hypervisorOfMachine, hypervisorWanted } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';
import { ownDriverAvailable } from './host-ready.ts';
import { imageReady } from './image.ts';

/** Into standby: a guest whose program runs is suspended, and what it leaves is put on disk. One that does not run boots first. */

/** While no machine is there: at rest with its memory on disk; else there is something to start. */
export function standbyKept(world: RecordedWorld): Verdict {
  if (isSuspended(world)) return settled(world);
  return hasMachine(world) ? met : standbyAvailable(world);
}

/** On record, so that a memory that is lost can be told from a crash; and forced to disk. */
function settled(world: RecordedWorld): Verdict {
  const { record, standby, now } = world;
  const { id } = record.identity;
  const actions: Action[] = [];
  if (record.run !== undefined && record.run.standby?.is !== 'suspended') {
    const suspended = withStandby(record, record.run, { is: 'suspended', at: now });
    actions.push({ kind: 'write-record', record: suspended });
  }
  const base = record.fork?.base;
  if (standby.state === 'ready' && !standby.isSettled)
    actions.push({ kind: 'settle-standby', id, ...(base === undefined ? {} : { base }) });
  const [first, ...others] = actions;
  if (first === undefined) return resting('Standby', 'in standby, as spec.state asks');
  return unmet('Suspending', 'the memory of the guest is being put on disk', first, ...others);
}

/** Whatever else is due under a machine that runs comes first, in case this cannot be done for a while. */
export const machineSuspended: Rung<RecordedWorld> = (world) => {
  if (!isSuspensionDue(world)) return met;
  const obstacle = firstUnmet([ownDriverAvailable, standbyAvailable], world);
  if (obstacle.is !== 'met') return obstacle;
  if (!hasRun(world)) return imageReady(world);
  const hypervisor = hypervisorOfMachine(world);
  return unmet('Suspending', 'the machine is being suspended, its memory kept', {
    kind: 'suspend-machine',
    hypervisor,
    machine: machineApplied(world),
  });
};

/** Before its program has started there is nothing worth keeping. */
export function isSuspensionDue({ record, desired }: RecordedWorld): boolean {
  return desired.instance.spec.state === 'Standby' && record.run?.readyAt !== undefined;
}

function standbyAvailable(world: RecordedWorld): Verdict {
  const hypervisor = hasMachine(world) ? hypervisorOfMachine(world) : hypervisorWanted(world);
  const facts = world.host.drivers[hypervisor];
  // What is wrong with a hypervisor that cannot be used at all is told where it is needed.
  if (facts === undefined || facts.problem !== undefined || facts.abilities?.standby === true) return met;
  return stuck(
    'StandbyUnavailable',
    `${hypervisor} cannot keep the memory of a machine on this host: use Running or Stopped`,
  );
}
