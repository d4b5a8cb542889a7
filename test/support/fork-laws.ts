import type { Action } from '../../src/plan/action.ts';
import type { World } from '../../src/plan/world.ts';

type Kind =
  'freeze-machine' | 'freeze-disks' | 'hold-guest' | 'release-guest' | 'clone-disks' | 'identify-guest';
type ForkAction = Extract<Action, { kind: Kind }>;

/** What may not be done for a fork, to its source or to itself. */
// eslint-disable-next-line complexity -- one line per kind of action: a table, not a decision
export function forkLaws(world: World, action: ForkAction): readonly (readonly [boolean, string])[] {
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
        [machine.state === 'absent' && overlay.state === 'absent', 'no disk is made over another'],
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
