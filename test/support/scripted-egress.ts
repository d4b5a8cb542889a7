import type { InstanceCounters } from '../../src/egress/audit-trail.ts';
import { openAuditTrail } from '../../src/egress/audit-trail.ts';
import type { Decision } from '../../src/egress/audit.ts';
import type { Egress, Followed } from '../../src/egress/egress.ts';

export type ScriptedEgress = {
  readonly egress: Pick<Egress, 'decisions' | 'counters' | 'problem'>;
  /** Something is decided, now. */
  readonly decide: (change?: Partial<Decision>) => void;
  /** Followers are told that they missed so many. */
  readonly miss: (count: number) => void;
  /** The process ends, and everything it knew with it; another one is there at once. */
  readonly restart: () => void;
  /** No process answers, or does again. */
  readonly setProblem: (problem: string | undefined) => void;
  /** How many follow now. */
  readonly followers: () => number;
};

const ROSTER = new Map([['openai', ['api.example.com']]]);

/** A proxy that decides what a test says, with the real audit trail behind it. */
export function scriptedEgress(instances: Readonly<Record<string, string>>): ScriptedEgress {
  let trail = openAuditTrail();
  let problem: string | undefined;
  const tells = new Set<(told: Followed | 'end') => void>();
  const begin = (): void => {
    trail = openAuditTrail();
    for (const [instance, key] of Object.entries(instances)) trail.open(instance, key, ROSTER);
  };
  begin();
  return {
    egress: {
      problem: () => problem,
      counters: (instance) => Promise.resolve<readonly InstanceCounters[]>(trail.counters(instance)),
      decisions: async function* ({ instance, follow, signal }) {
        const queue: (Followed | 'end')[] = trail
          .recent(instance)
          .map((decision) => ({ is: 'decision', decision }));
        if (!follow) queue.push('end');
        let wake = Promise.withResolvers<undefined>();
        const tell = (told: Followed | 'end'): void => {
          const isOther =
            told !== 'end' &&
            told.is === 'decision' &&
            instance !== undefined &&
            told.decision.instance !== instance;
          if (!isOther) queue.push(told);
          wake.resolve(undefined);
        };
        signal.addEventListener('abort', () => {
          tell('end');
        });
        if (signal.aborted) tell('end');
        if (follow) tells.add(tell);
        try {
          for (;;) {
            const told = queue.shift();
            if (told === 'end') return;
            if (told !== undefined) {
              yield told;
              continue;
            }
            await wake.promise;
            wake = Promise.withResolvers();
          }
        } finally {
          tells.delete(tell);
        }
      },
    },
    decide: (change) => {
      const decision = aDecision(change);
      trail.decided(decision);
      for (const tell of tells) tell({ is: 'decision', decision });
    },
    miss: (count) => {
      for (const tell of tells) tell({ is: 'missed', count });
    },
    restart: () => {
      begin();
      for (const tell of tells) tell('end');
    },
    setProblem: (now) => {
      problem = now;
    },
    followers: () => tells.size,
  };
}

/** An instance that used its credential. */
export function aDecision(change: Partial<Decision> = {}): Decision {
  return {
    at: Date.parse('2026-11-20T11:59:50.123Z'),
    instance: 'idweb',
    key: 'default/web',
    host: 'api.example.com',
    way: 'explicit',
    verdict: 'injected',
    reason: 'Granted',
    credentials: ['openai'],
    ...change,
  };
}
