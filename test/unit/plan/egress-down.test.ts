import { describe, expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import {
  aRecord,
  aRun,
  freshWorld,
  heldPolicy,
  imageOf,
  MEDIATED,
  mediated,
  mediatedWorld,
  MISSING_VALUE,
  NOW,
  pinned,
  runningWorld,
} from '../../support/worlds.ts';

const AWAY: World['egress'] = { problem: 'its process ended', policy: { state: 'absent' } };
const NO_POLICY: World['egress'] = { policy: { state: 'absent' } };
const ROTATED = { is: 'ready', revision: 'revision-2', digests: { API_KEY: 'digest-of-new-key' } } as const;
const down = { machine: { state: 'absent' }, guest: { state: 'silent' } } as const;
const record = aRecord({ image: pinned(), credentials: {} });

describe('mediation without a machine', () => {
  test.each<[string, Partial<World>]>([
    [
      'stopped as declared',
      { desired: mediated({ state: 'Stopped' }), record: { ...record, run: aRun(), stoppedAt: NOW } },
    ],
    ['done', { record: ended(0) }],
    ['backing off', { record: { ...ended(1), failures: 4 } }],
    ['held up by an image', { record, image: { state: 'pulling', progress: '1 of 2' } }],
    [
      'held up for good',
      {
        record,
        image: { state: 'failed', fate: 'invalid', reason: 'NotAnImage', message: 'no', retryAt: 0 },
      },
    ],
    ['held up by a value', { record, desired: mediated({}, { credentials: MISSING_VALUE }) }],
  ])('%s: no policy stays in force', (_, changes) => {
    const world = mediatedWorld({ ...down, ...changes });
    expect(stepsOf(world)).toEqual(['remove policy']);
    expect(plan({ ...world, egress: NO_POLICY }).actions).toEqual([]);
  });

  test('what is declared by then is what the next start gets', () => {
    const desired = mediated({}, { credentials: ROTATED });
    const prepared = freshWorld({
      record,
      image: imageOf('docker.io/library/nginx:1.27'),
      overlay: { state: 'ready', bytes: 10 * 2 ** 30 },
      network: runningWorld().network,
      egress: heldPolicy(),
    });
    expect(plan({ ...prepared, desired }).actions).toMatchObject([
      { kind: 'put-policy', revision: 'revision-2' },
    ]);
  });

  test('removal: the tap first, then the policy with its CA, and the record with it', () => {
    const world = mediatedWorld({ ...down, desired: { is: 'gone' }, record });
    expect(stepsOf(world)).toEqual(['remove-network']);
    const network: World['network'] = { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} };
    expect(stepsOf({ ...world, network })).toEqual(['forget policy', 'forget-instance']);
    expect(plan({ ...world, network, egress: AWAY })).toMatchObject({ reason: 'ProxyUnavailable' });
    const never = { ...world, network, egress: AWAY, record: aRecord() };
    expect(stepsOf(never)).toEqual(['forget-instance']);
  });
});

function ended(code: number): ReturnType<typeof aRecord> {
  const exit = { code, message: `exit code ${code}`, at: NOW };
  return { ...record, run: aRun(MEDIATED), exit, stoppedAt: NOW, failures: 1 };
}
