import { unreachable } from '../../src/errors.ts';
import type { World } from '../../src/plan/world.ts';
import { ASKERS } from './fork-worlds.ts';
import { withProxy } from './simulated-egress.ts';
import { elapse, seen } from './simulated-host.ts';
import type { SimulatedHost } from './simulated-host.ts';
import { VOID } from './standby-worlds.ts';
import { PROCESS, RUNNING } from './worlds.ts';

/** What happens to a host from outside. */
export type Move =
  | { readonly move: 'edit'; readonly desired: World['desired'] }
  | { readonly move: 'guest exits'; readonly code: number }
  | { readonly move: 'guest powers off' | 'VMM crashes' | 'host reboots' | 'start is cut short' }
  | { readonly move: 'hypervisor falls silent' | 'hypervisor answers' | 'controller restarts' }
  | { readonly move: 'tap is deleted' | 'rules are flushed' | 'machine is paused' }
  | { readonly move: 'suspend is cut short' | 'restore is cut short' | 'memory is damaged' }
  | { readonly move: 'memory is removed' | 'hypervisor is upgraded' }
  | { readonly move: 'proxy dies' | 'proxy comes back' | 'proxy is replaced' | 'proxy forgets' }
  | { readonly move: 'a fork asks' }
  | { readonly move: 'forks give up' | 'base is lost' }
  | { readonly move: 'source becomes'; readonly source: World }
  /** Without a value the variable is taken away. */
  | { readonly move: 'value is set'; readonly name: string; readonly value: string | undefined }
  | { readonly move: 'time passes'; readonly ms: number };

// eslint-disable-next-line complexity -- one line per kind of move: a table, not a decision
export function afterMove(host: SimulatedHost, move: Move): SimulatedHost {
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the others change the world alone
  switch (move.move) {
    case 'time passes':
      return elapse(host, move.ms);
    case 'proxy dies':
      return withEgress(host, GONE);
    case 'proxy comes back':
      return seen(withProxy(host));
    case 'proxy is replaced':
      return seen(withProxy(withEgress(host, GONE)));
    case 'proxy forgets':
      return host.world.egress.problem === undefined
        ? { ...withEgress(host, { policy: { state: 'absent' } }), remembered: undefined }
        : host;
    case 'base is lost':
    case 'source becomes':
    case 'forks give up':
      return seen(forksMoved(host, move));
    case 'value is set':
      return seen({ ...host, values: withValue(host.values, move.name, move.value) });
    default:
      return seen({ ...host, world: { ...host.world, ...changeFrom(host.world, move) } });
  }
}

type ForksMove = Extract<Move, { move: 'base is lost' | 'source becomes' | 'forks give up' }>;

function forksMoved(host: SimulatedHost, move: ForksMove): SimulatedHost {
  if (move.move === 'base is lost') return { ...host, bases: [] };
  if (move.move === 'source becomes') return { ...host, source: move.source };
  const { askers, ...world } = host.world;
  return askers === undefined ? host : { ...host, world };
}

const GONE: World['egress'] = { problem: 'its process ended', policy: { state: 'absent' } };

function withEgress(host: SimulatedHost, egress: World['egress']): SimulatedHost {
  return seen({ ...host, world: { ...host.world, egress } });
}

function withValue(
  values: SimulatedHost['values'],
  name: string,
  value: string | undefined,
): SimulatedHost['values'] {
  const others = Object.entries(values).filter(([other]) => other !== name);
  return Object.fromEntries(value === undefined ? others : [...others, [name, value]]);
}

type OnWorld = Exclude<
  Move,
  {
    move:
      | 'time passes'
      | 'proxy dies'
      | 'proxy comes back'
      | 'proxy is replaced'
      | 'proxy forgets'
      | 'value is set'
      | 'base is lost'
      | 'source becomes'
      | 'forks give up';
  }
>;

// eslint-disable-next-line complexity -- one line per kind of move: a table, not a decision
function changeFrom(world: World, move: OnWorld): Partial<World> {
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
        standby: afterReboot(world.standby),
      };
    case 'start is cut short':
      // One that goes on from a standby has stood still instead, with all of its memory.
      return isRunning && world.guest.state === 'silent'
        ? { machine: { state: wasRestored(world) ? 'paused' : 'created', process: PROCESS } }
        : {};
    case 'suspend is cut short':
      return isInStandby(world) ? { machine: { state: 'paused', process: PROCESS } } : {};
    case 'restore is cut short':
      return isInStandby(world) ? { machine: { state: 'created', process: PROCESS } } : {};
    case 'memory is damaged':
      return world.standby.state === 'ready' ? { standby: VOID } : {};
    case 'a fork asks':
      return world.record === 'absent' ? {} : { askers: askedAt(world.now) };
    case 'memory is removed':
      return { standby: gone };
    case 'hypervisor is upgraded':
      return isRunning ? {} : { host: { ...world.host, drivers: upgraded(world.host.drivers) } };
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

function askedAt(now: number): NonNullable<World['askers']> {
  return { ...ASKERS, forks: ASKERS.forks.map((fork) => ({ ...fork, askedAt: now })) };
}

function isInStandby({ machine, standby }: World): boolean {
  return machine.state === 'absent' && standby.state === 'ready';
}

function wasRestored({ record }: World): boolean {
  return record !== 'absent' && record.run?.standby !== undefined;
}

function afterReboot(standby: World['standby']): World['standby'] {
  return standby.state === 'ready' && !standby.isSettled ? VOID : standby;
}

function upgraded(drivers: World['host']['drivers']): World['host']['drivers'] {
  return drivers.qemu === undefined ? drivers : { qemu: { ...drivers.qemu, version: '8.2' } };
}
