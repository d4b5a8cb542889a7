import type { Logger } from '../log.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { Queue } from './queue.ts';
import type { Next, QueueMetrics } from './queue.ts';
import type { Ports, Seen } from './reconcile.ts';
import { reconcile, stepOf } from './reconcile.ts';
import type { Settlement } from './settlement.ts';
import { settlementOf } from './settlement.ts';

/** controller-runtime's words for the label `result`. */
type PassResult = 'success' | 'error' | 'requeue_after';

type HeartbeatMetrics = QueueMetrics & {
  reconciled(result: PassResult, seconds: number): void;
};

export type HeartbeatSettings = {
  /** How many instances are worked on at a time. */
  readonly concurrency: number;
  /** Default five minutes. */
  readonly resyncMs?: number;
  readonly metrics?: HeartbeatMetrics;
  readonly clock?: Clock;
  readonly random?: () => number;
};

export type Heartbeat = {
  /** Something about this key changed, or may have: look at it. Cheap, at any rate and at any time. */
  wake(key: InstanceKey): void;
  /** Resolves when every key that was woken has come to rest, with how; keys that are gone are left out. */
  settled(): Promise<readonly Settlement[]>;
  /** Takes no more keys and lets running passes end; those that have not after `graceMs` are aborted. */
  close(graceMs: number): Promise<void>;
};

const RESYNC_MS = 300_000;

/** Keeps every key converging: queue, passes, backoff and resync, from the first `wake` until `close`. */
export function openHeartbeat(ports: Ports, log: Logger, settings: HeartbeatSettings): Heartbeat {
  const { clock = systemClock, random = Math.random, metrics } = settings;
  const abort = new AbortController();
  const memory = new Map<InstanceKey, Memory>();
  const work = async (key: InstanceKey): Promise<Next> => {
    const startedAt = clock.now();
    const last = memory.get(key);
    const { next, seen } = await reconcile(key, ports, { log, signal: abort.signal, lastStep: last?.step });
    metrics?.reconciled(resultOf(seen, next), (clock.now() - startedAt) / 1000);
    if (next.again === 'forget') memory.delete(key);
    else memory.set(key, remembered(key, seen, last, log));
    return next;
  };
  const queue = new Queue<InstanceKey>(work, {
    concurrency: settings.concurrency,
    resyncMs: settings.resyncMs ?? RESYNC_MS,
    clock,
    random,
    ...(metrics === undefined ? {} : { metrics }),
  });
  return {
    wake: (key) => {
      queue.add(key);
    },
    settled: async () => {
      await queue.quiet();
      return [...memory.values()].map(({ settlement }) => settlement);
    },
    close: async (graceMs) => {
      const takeBack = clock.after(graceMs, abort.abort.bind(abort), true);
      await queue.drain();
      takeBack();
    },
  };
}

type Memory = { readonly step: string | undefined; readonly settlement: Settlement };

/** Being stuck is news once, not on each resync. */
function remembered(key: InstanceKey, seen: Seen, last: Memory | undefined, log: Logger): Memory {
  const settlement = settlementOf(key, seen);
  const { is, reason, message } = settlement;
  const isNews = last?.settlement.reason !== reason || last.settlement.message !== message;
  if (is === 'stuck' && isNews) log.warn({ instance: key, reason, message }, 'stuck');
  return { step: stepOf(seen.outcome), settlement };
}

function resultOf({ outcome }: Seen, next: Next): PassResult {
  if (outcome.is === 'failed') return 'error';
  return next.again === 'after' ? 'requeue_after' : 'success';
}
