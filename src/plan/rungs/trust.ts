import { ASK_AGAIN_MS } from '../patience.ts';
import { trustOf } from '../trust.ts';
import type { Rung } from '../verdict.ts';
import { asked, met, stuck } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';

/** Live: a guest that runs is given the CA of its proxy. Programs that read theirs before need a restart of their own. */
export const authorityOffered: Rung<RecordedWorld> = (world) => {
  const trust = trustOf(world);
  if (trust.is !== 'due') return met;
  const { id } = world.record.identity;
  const action = { kind: 'trust-authority', id, authority: trust.authority } as const;
  return asked(ASK_AGAIN_MS, 'Pending', 'the guest is asked to trust the CA of its egress proxy', action);
};

export const authorityTrusted: Rung<RecordedWorld> = (world) => {
  const trust = trustOf(world);
  return trust.is === 'impossible' ? stuck(trust.reason, trust.message) : met;
};
