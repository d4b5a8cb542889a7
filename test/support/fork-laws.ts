import type { Law } from './egress-laws.ts';
import type { Action } from '../../src/plan/action.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { World } from '../../src/plan/world.ts';

type Kind =
  'freeze-machine' | 'freeze-disks' | 'hold-guest' | 'release-guest' | 'clone-disks' | 'identify-guest';
type ForkAction = Extract<Action, { kind: Kind }>;

/** What may not be done for a fork, to its source or to itself. */
// eslint-disable-next-line complexity -- one line per kind of action: a table, not a decision
export function forkLaws(world: World, action: ForkAction): readonly Law[] {
  const { machine, standby, guest, overlay, askers, base } = world;
  const isHeld = guest.state === 'started' && guest.held === true;
  const fork = world.record === 'absent' ? undefined : world.record.fork;
  switch (action.kind) {
    case 'hold-guest':
      return [[askers !== undefined, 'no program stands still that nobody forks']];
    case 'release-guest':
      return [[fork?.base === undefined, 'no fork goes on as its source']];
    case 'freeze-machine':
      return [
        [askers !== undefined, 'no machine is frozen for nobody'],
        [machine.state !== 'running' || isHeld, 'no machine is frozen while its programs run'],
        [
          machine.state === 'running' || standby.state === 'ready',
          'only what has a memory is frozen with it',
        ],
        [fork?.base === undefined, 'no fork is frozen before it is itself'],
      ];
    case 'freeze-disks':
      return [
        [machine.state === 'absent' && standby.state === 'absent', 'no disk is copied under a machine'],
      ];
    case 'clone-disks':
      return [
        [machine.state === 'absent', 'no disk changes under a machine'],
        [overlay.state === 'absent' || isBegunAnew(world), 'no disk is made over another'],
        [base !== undefined && base !== 'absent', 'only what is there is copied'],
      ];
    case 'identify-guest':
      return [
        [fork?.base !== undefined && guest.state === 'started', 'only a fork becomes itself'],
        [
          action.identity.network === undefined || world.network.guard.state === 'guarded',
          'no fork gets an address without a guard',
        ],
      ];
  }
}

/** What it has is of a try to go on that came to nothing. */
function isBegunAnew({ record }: World): boolean {
  return record !== 'absent' && record.fork?.base !== undefined && record.run?.standby?.is === 'resumed';
}

/** What a fork may not write down of what it takes, and of whom it asks for it. */
export function takingLaws({ record: before, forking, base }: World, after: InstanceRecord): readonly Law[] {
  const fork = after.fork;
  if (before === 'absent' || before.fork === undefined || fork === undefined) return [];
  const isTaken = before.fork.source !== undefined && base !== 'absent';
  const asksAnew = fork.askedAt !== undefined && fork.askedAt !== before.fork.askedAt;
  return [
    [!isTaken || fork.source === before.fork.source, 'nothing is taken twice'],
    [!asksAnew || forking?.source.desired.is === 'wanted', 'nobody is asked who is not declared'],
    [!endsNow(before, after) || fork.base === undefined, 'what has ended does not start once more'],
  ];
}

export function inheritanceLaws({ record }: World): readonly Law[] {
  const fork = record === 'absent' ? undefined : record.fork;
  return [[fork !== undefined && fork.source === undefined, 'nothing is inherited twice']];
}

function endsNow(before: InstanceRecord, after: InstanceRecord): boolean {
  return after.exit !== undefined && before.exit === undefined;
}
