import { HypemanError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Action } from '../plan/action.ts';
import type { Failure, Outcome } from '../plan/outcome.ts';
import { failureOf } from '../plan/outcome.ts';
import { plan } from '../plan/plan.ts';
import type { Plan } from '../plan/verdict.ts';
import type { World } from '../plan/world.ts';
import type { Next } from './queue.ts';

/** The eyes, the hands and the voice. Each is safe to repeat. */
export type Ports = {
  look(key: InstanceKey, signal: AbortSignal): Promise<World>;
  act(action: Action, signal: AbortSignal): Promise<void>;
  report(key: InstanceKey, seen: Seen): Promise<void>;
  /** The declaration is gone and so is everything of it: its status may be forgotten. */
  done(key: InstanceKey): Promise<void>;
};

/** What one pass saw and how it ended; no world when not even the look succeeded. */
export type Seen = { readonly world?: World; readonly outcome: Outcome };

export type Pass = { readonly next: Next; readonly seen: Seen };

export type PassSettings = {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** What the pass before this one over the same key planned, by `stepOf`. */
  readonly lastStep?: string | undefined;
};

/** One look, one plan, its actions, one report. Never loops: coming back is the queue's business. */
export async function reconcile(key: InstanceKey, ports: Ports, settings: PassSettings): Promise<Pass> {
  const seen = await pass(key, ports, settings);
  if (settings.signal.aborted) return { next: { again: 'on-change' }, seen };
  const next = nextAfter(seen, settings.lastStep);
  const isReported = await told(key, settings.log, () =>
    next.again === 'forget' ? ports.done(key) : ports.report(key, seen),
  );
  // What the user reads would stay wrong until something changes.
  const isFinal = next.again === 'on-change' || next.again === 'forget';
  return { next: isReported || !isFinal ? next : { again: 'backoff' }, seen };
}

/** Tells two steps apart by what is done and why, not by the times in it. */
export function stepOf(outcome: Outcome): string | undefined {
  if (outcome.is === 'failed' || outcome.plan.actions.length === 0) return undefined;
  const { reason, actions } = outcome.plan;
  return [reason, ...actions.map(({ kind }) => kind)].join(' ');
}

async function pass(key: InstanceKey, ports: Ports, { log, signal }: PassSettings): Promise<Seen> {
  let world: World | undefined;
  try {
    world = await ports.look(key, signal);
    const next = plan(world);
    await perform(key, next, ports, { log, signal });
    return { world, outcome: { is: 'planned', plan: next } };
  } catch (error) {
    const failure = failureOf(error);
    if (!signal.aborted) logFailure(log, key, failure, error);
    return { ...(world === undefined ? {} : { world }), outcome: { is: 'failed', failure } };
  }
}

async function perform(
  key: InstanceKey,
  next: Plan,
  ports: Ports,
  { log, signal }: PassSettings,
): Promise<void> {
  for (const action of next.actions) {
    signal.throwIfAborted();
    await ports.act(action, signal);
    log.info({ instance: key, action: action.kind, reason: next.reason }, 'action done');
  }
}

/** The stack is for our mistakes, and for what nobody foresaw; a user's mistake has none. */
function logFailure(log: Logger, key: InstanceKey, { fate, reason, message }: Failure, error: unknown): void {
  const isForeseen = error instanceof HypemanError && fate !== 'bug';
  const facts = isForeseen ? { message, ...error.facts } : { err: error };
  log.error({ ...facts, instance: key, fate, reason }, 'reconcile failed');
}

/** A status that cannot be written must not stop what it would tell about. */
async function told(key: InstanceKey, log: Logger, tell: () => Promise<void>): Promise<boolean> {
  try {
    await tell();
    return true;
  } catch (error) {
    log.error({ instance: key, message: messageOf(error) }, 'report failed');
    return false;
  }
}

function nextAfter({ world, outcome }: Seen, lastStep: string | undefined): Next {
  if (outcome.is === 'failed')
    return { again: outcome.failure.fate === 'transient' ? 'backoff' : 'on-change' };
  const { actions, lookAgainMs } = outcome.plan;
  if (lookAgainMs !== undefined) return { again: 'after', ms: lookAgainMs };
  // The same step twice running changed nothing that can be seen: slower, instead of a hot loop.
  if (actions.length > 0) return { again: stepOf(outcome) === lastStep ? 'backoff' : 'now' };
  const isGone = world?.desired.is === 'gone' && world.record === 'absent';
  return { again: isGone ? 'forget' : 'on-change' };
}
