import { describe, expect, test } from 'vitest';
import { plan } from '../../src/plan/plan.ts';
import { supposeMediated } from '../../src/plan-bystanders.ts';
import { aRecord, mediatedWorld, STARTED } from '../support/worlds.ts';

const running = mediatedWorld();
const RECORD = running.record === 'absent' ? aRecord() : running.record;
const REVISION = running.egress.policy.state === 'in-force' ? running.egress.policy.revision : '';

/** What somebody sees who may not ask proxy, kernel and guest. */
function fromOutside(policyRevision?: string): ReturnType<typeof supposeMediated> {
  return supposeMediated({
    ...running,
    record: aRecord({
      ...(RECORD.run === undefined ? {} : { run: RECORD.run }),
      ...(RECORD.image === undefined ? {} : { image: RECORD.image }),
      ...(RECORD.credentials === undefined ? {} : { credentials: RECORD.credentials }),
      ...(policyRevision === undefined ? {} : { policyRevision }),
    }),
    egress: { policy: { state: 'absent' } },
    network: { ...running.network, guard: { state: 'guarded' } },
    guest: {
      state: 'started',
      startedAt: STARTED.startedAt,
      agentReady: true,
    },
  });
}

describe('a plan for a mediated guest that runs under another process', () => {
  test('nothing is to be done when nothing was edited', () => {
    expect(plan(fromOutside(REVISION)).actions.map(({ kind }) => kind)).not.toContain('put-policy');
    expect(plan(fromOutside(REVISION)).actions.map(({ kind }) => kind)).not.toContain('guard-tap');
  });

  test('a rule or a value that was edited is put in force', () => {
    expect(plan(fromOutside('before the edit')).actions.map(({ kind }) => kind)).toEqual(['put-policy']);
  });

  test('a guest that never had a policy is not supposed to have one', () => {
    expect(fromOutside()).toMatchObject({ egress: { policy: { state: 'absent' } } });
  });
});
