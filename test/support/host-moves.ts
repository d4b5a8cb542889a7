import { unreachable } from '../../src/errors.ts';
import type { World } from '../../src/plan/world.ts';
import { elapse, seen } from './simulated-host.ts';
import type { SimulatedHost } from './simulated-host.ts';
import { PROCESS, RUNNING } from './worlds.ts';

/** What happens to a host from outside. */
export type Move =
  | { readonly move: 'edit'; readonly desired: World['desired'] }
  | { readonly move: 'guest exits'; readonly code: number }
  | { readonly move: 'guest powers off' | 'VMM crashes' | 'host reboots' | 'start is cut short' }
  | { readonly move: 'hypervisor falls silent' | 'hypervisor answers' | 'controller restarts' }
  | { readonly move: 'tap is deleted' | 'rules are flushed' | 'machine is paused' }
  | { readonly move: 'time passes'; readonly ms: number };

export function afterMove(host: SimulatedHost, move: Move): SimulatedHost {
  if (move.move === 'time passes') return elapse(host, move.ms);
  return seen({ ...host, world: { ...host.world, ...changeFrom(host.world, move) } });
}

// eslint-disable-next-line complexity -- one line per kind of move: a table, not a decision
function changeFrom(world: World, move: Exclude<Move, { move: 'time passes' }>): Partial<World> {
  const isRunning = world.machine.state === 'running';
  const gone = { state: 'absent' } as const;
  const silent = { guest: { state: 'silent' } } as const;
  switch (move.move) {
    case 'edit':
      return { desired: move.desired };
    case 'guest exits':
      return isRunning
        ? { guest: { state: 'exited', exit: { code: move.code, message: `exit code ${move.code}` } } }
        : {};
    case 'guest powers off':
      return isRunning ? { machine: { ...gone, ended: 'guest-shutdown' }, ...silent } : {};
    case 'VMM crashes':
      return { machine: gone, ...silent };
    case 'host reboots':
      return {
        machine: gone,
        ...silent,
        host: { ...world.host, bootId: `${world.host.bootId}+`, watchingSince: world.now },
        network: { tap: gone, guard: { state: 'open' }, shaping: {} },
      };
    case 'start is cut short':
      return isRunning && world.guest.state === 'silent'
        ? { machine: { state: 'created', process: PROCESS } }
        : {};
    case 'hypervisor falls silent':
      return isRunning ? { machine: { state: 'unknown', process: PROCESS, error: 'no answer' } } : {};
    case 'hypervisor answers':
      return world.machine.state === 'unknown' ? { machine: RUNNING } : {};
    case 'controller restarts':
      return {
        ...(world.guest.state === 'exited' ? {} : silent),
        host: { ...world.host, watchingSince: world.now },
      };
    case 'tap is deleted':
      return { network: { ...world.network, tap: gone } };
    case 'rules are flushed':
      return { network: { ...world.network, guard: { state: 'open' }, shaping: {} } };
    case 'machine is paused':
      return isRunning ? { machine: { state: 'paused', process: PROCESS } } : {};
    default:
      return unreachable(move);
  }
}
