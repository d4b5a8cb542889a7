import type { Action } from './action.ts';
import type { World } from './world.ts';

/** One condition that must hold, and what to do when it does not. */
export type Rung<W extends World = World> = (world: W) => Verdict;

export type Verdict =
  | { readonly is: 'met' }
  | {
      readonly is: 'unmet';
      readonly reason: string;
      readonly message: string;
      readonly actions: readonly [Action, ...Action[]];
      /** Look again after this time, not at once: what was asked for takes a while to show. */
      readonly thenMs?: number;
    }
  /** Nothing to do although not every rung holds: the declared policy wants it so. */
  | { readonly is: 'rest'; readonly reason: string; readonly message: string }
  /** Nothing to do but wait; an event may wake the key earlier. */
  | { readonly is: 'waiting'; readonly reason: string; readonly message: string; readonly afterMs: number }
  /** Only the user, or somebody on the host, can move. */
  | { readonly is: 'stuck'; readonly reason: string; readonly message: string };

/** The next step and why. `lookAgainMs` beside actions: not at once after them, but then. */
export type Plan = {
  readonly actions: readonly Action[];
  readonly verdict: 'rest' | 'unmet' | 'waiting' | 'stuck';
  readonly reason: string;
  readonly message: string;
  readonly lookAgainMs?: number;
};

export const met: Verdict = { is: 'met' };

export function unmet(reason: string, message: string, ...actions: [Action, ...Action[]]): Verdict {
  return { is: 'unmet', reason, message, actions };
}

/** Unmet, and asked for: the answer is looked for after `thenMs`, not at once. */
export function asked(
  thenMs: number,
  reason: string,
  message: string,
  ...actions: [Action, ...Action[]]
): Verdict {
  return { is: 'unmet', reason, message, actions, thenMs };
}

export function waiting(reason: string, message: string, afterMs: number): Verdict {
  return { is: 'waiting', reason, message, afterMs };
}

export function stuck(reason: string, message: string): Verdict {
  return { is: 'stuck', reason, message };
}

export function resting(reason: string, message: string): Verdict {
  return { is: 'rest', reason, message };
}

/** The verdict of the first rung that is not met. */
export function firstUnmet<W extends World>(ladder: readonly Rung<W>[], world: W): Verdict {
  for (const rung of ladder) {
    const verdict = rung(world);
    if (verdict.is !== 'met') return verdict;
  }
  return met;
}
