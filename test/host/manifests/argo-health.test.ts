import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Mapping } from '../../../src/api/raw.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { anyWorld } from '../../support/any-world.ts';
import { argoHealthOf } from '../../support/argo-health.ts';
import { kstatusOf } from '../../support/kstatus.ts';

/** kstatus' words as Argo CD's: an instance that rests because it was asked to is current, too. */
const SAME: Readonly<Record<ReturnType<typeof kstatusOf>, readonly string[]>> = {
  Current: ['Healthy', 'Suspended'],
  Failed: ['Degraded'],
  InProgress: ['Progressing'],
  Terminating: ['Progressing'],
};

function objectOf(world: World): Mapping {
  const status = statusOf(world, { is: 'planned', plan: plan(world) });
  return { metadata: { name: 'web', generation: status.observedGeneration }, status };
}

test('Argo CD and kstatus agree about every status that the planner makes', async () => {
  const objects = fc.sample(anyWorld, 1_000).map(objectOf);
  const health = await argoHealthOf(objects);
  expect(health).toHaveLength(objects.length);
  const disagreed = objects.filter(
    (object, at) => !SAME[kstatusOf(object)].includes(health[at]?.status ?? ''),
  );
  expect(disagreed).toEqual([]);
});

const READY = { type: 'Ready', status: 'True', reason: 'ProgramRunning', message: 'the program runs' };

function resource(status: Mapping | undefined, metadata: Mapping = {}): Mapping {
  return {
    metadata: { name: 'web', generation: 2, ...metadata },
    ...(status === undefined ? {} : { status }),
  };
}

test.each([
  ['without a status', resource(undefined), 'Progressing', 'not been looked at'],
  ['running', resource({ observedGeneration: 2, state: 'Running', conditions: [READY] }), 'Healthy', 'runs'],
  ['in standby', resource({ observedGeneration: 2, state: 'Standby', conditions: [READY] }), 'Suspended', ''],
  ['edited just now', resource({ observedGeneration: 1, conditions: [READY] }), 'Progressing', 'last edit'],
  [
    'ready, with an edit that was refused',
    resource({
      observedGeneration: 2,
      conditions: [READY, { type: 'Stalled', status: 'True', message: 'spec.size:\n  no "size" \\ of €' }],
    }),
    'Degraded',
    'spec.size: no "size" \\ of €',
  ],
  [
    'being deleted',
    resource(
      { observedGeneration: 2, conditions: [READY] },
      { deletionTimestamp: '2026-11-22T10:00:00Z', finalizers: ['hypeman.dev/instance', 'other'] },
    ),
    'Progressing',
    'hypeman.dev/instance, other',
  ],
])('what is %s', async (_, object, status, message) => {
  const [health] = await argoHealthOf([object]);
  expect(health).toEqual({ status, message: expect.stringContaining(message) as string });
});
