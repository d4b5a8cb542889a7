import type { InstanceKey } from '../machine/ids.ts';
import type { Seen } from './reconcile.ts';

/** Where a key stands. At `rest` nothing is left to do; else it waits for time, or for somebody to move. */
export type Settlement = {
  readonly key: InstanceKey;
  readonly is: 'rest' | 'working' | 'stuck' | 'failed';
  readonly reason: string;
  readonly message: string;
};

export function settlementOf(key: InstanceKey, { world, outcome }: Seen): Settlement {
  const refused = world === undefined || world.desired.is === 'gone' ? undefined : world.desired.refused;
  if (refused !== undefined) return { key, is: 'stuck', ...refused };
  if (outcome.is === 'failed') {
    const { reason, message } = outcome.failure;
    return { key, is: 'failed', reason, message };
  }
  const { verdict, reason, message } = outcome.plan;
  return { key, is: IS[verdict], reason, message };
}

const IS = { rest: 'rest', stuck: 'stuck', waiting: 'working', unmet: 'working' } as const;
