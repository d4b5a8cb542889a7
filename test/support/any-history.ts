import fc from 'fast-check';
import { anySource } from './any-forks.ts';
import { anyWanted } from './any-world.ts';
import { afterMove } from './host-moves.ts';
import type { Move } from './host-moves.ts';
import { BENIGN, pass } from './simulated-host.ts';
import type { SimulatedHost, Temper } from './simulated-host.ts';

/** The longest way seen is under thirty; more would be a circle. */
export const ROUNDS = 60;

export const anyTemper: fc.Arbitrary<Temper> = fc.record({
  guest: fc.constantFrom('serves', 'ends', 'never starts'),
  heedsStop: fc.boolean(),
  powersOff: fc.boolean(),
  registry: fc.constantFrom('works', 'refuses', 'is away'),
  trusts: fc.boolean(),
  proxy: fc.constantFrom('comes back', 'stays away'),
  'suspend-machine': fc.constantFrom('works', 'fails'),
  'restore-machine': fc.constantFrom('works', 'fails'),
  'grow-memory': fc.constantFrom('works', 'fails'),
  source: fc.constantFrom('answers', 'refuses', 'vanishes'),
  'freeze-machine': fc.constantFrom('works', 'fails'),
  'identify-guest': fc.constantFrom('works', 'fails'),
});

/** A guest that serves and a registry that works; whether they heed a stop is left open. */
export const goodTemper: fc.Arbitrary<Temper> = fc
  .record({ heedsStop: fc.boolean(), powersOff: fc.boolean() })
  .map((each) => ({ ...BENIGN, ...each }));

const anyMove: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: anyWanted.map((desired) => ({ move: 'edit' as const, desired })) },
  fc.constant({ move: 'edit', desired: { is: 'gone' } } as const),
  fc.constantFrom(0, 1, 137).map((code) => ({ move: 'guest exits' as const, code })),
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(
        'guest powers off',
        'VMM crashes',
        'host reboots',
        'start is cut short',
        'hypervisor falls silent',
        'hypervisor answers',
        'controller restarts',
        'tap is deleted',
        'rules are flushed',
        'machine is paused',
        'proxy dies',
        'proxy comes back',
        'proxy is replaced',
        'proxy forgets',
        'suspend is cut short',
        'restore is cut short',
        'memory is damaged',
        'memory is removed',
        'hypervisor is upgraded',
        'a fork asks',
        'forks give up',
        'base is lost',
      )
      .map((move) => ({ move })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      move: fc.constant('value is set' as const),
      name: fc.constantFrom('REAL_KEY', 'OTHER_KEY'),
      value: fc.constantFrom('v1', 'v2', undefined),
    }),
  },
  anySource.map((source) => ({ move: 'source becomes' as const, source })),
  {
    weight: 4,
    arbitrary: fc.constantFrom(1, 1_000, 30_000, 400_000).map((ms) => ({ move: 'time passes' as const, ms })),
  },
);

/** A history: after each pass, of which perhaps only a part happened, something happens from outside. */
export const anyHistory = fc.array(
  fc.record({ cut: fc.option(fc.nat(2), { nil: undefined }), move: anyMove }),
  {
    maxLength: 25,
  },
);

type History = readonly { readonly cut: number | undefined; readonly move: Move }[];

export function live(start: SimulatedHost, history: History): SimulatedHost {
  return history.reduce((host, { cut, move }) => afterMove(pass(host, cut).host, move), start);
}
