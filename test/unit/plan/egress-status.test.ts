import { describe, expect, test } from 'vitest';
import type { Condition, InstanceStatus } from '../../../src/api/status.ts';
import { eventsOf } from '../../../src/plan/events.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import {
  aRecord,
  aRun,
  AUTHORITY,
  DIGESTS,
  heldPolicy,
  MEDIATED,
  mediated,
  mediatedWorld,
  MISSING_VALUE,
  NOW,
  pinned,
  PORTS,
  runningWorld,
  STARTED,
} from '../../support/worlds.ts';

function told(changes: Partial<World> = {}): InstanceStatus {
  const world = mediatedWorld(changes);
  return statusOf(world, { is: 'planned', plan: plan(world) });
}

function conditionOf(status: InstanceStatus, type: string): Condition | undefined {
  return status.conditions.find((each) => each.type === type);
}

function eventsBetween(before: InstanceStatus, after: InstanceStatus): readonly string[] {
  return eventsOf(before, after, NOW).map(({ type, reason }) => `${type} ${reason}`);
}

const AWAY: World['egress'] = { problem: 'its process ended', policy: { state: 'absent' } };
const ROTATED = { is: 'ready', revision: 'revision-2', digests: { API_KEY: 'digest-of-new-key' } } as const;
const rotating = mediated({}, { credentials: ROTATED });
const flushed: World['network'] = { ...runningWorld().network, guard: { state: 'open' } };
const stopped: Partial<World> = {
  machine: { state: 'absent' },
  egress: { policy: { state: 'absent' } },
  record: aRecord({ image: pinned(), run: aRun(MEDIATED), stoppedAt: NOW, credentials: {} }),
};
const untrusted = { state: 'failed', fingerprint: AUTHORITY.fingerprint, message: 'no bundle' } as const;

describe('the conditions of a mediated instance', () => {
  // The columns are EgressEnforced, CredentialsSynced and Ready, each as status and reason.
  test.each<[string, Partial<World>, string, string, string]>([
    ['all is well', {}, 'True Enforced', 'True Synced', 'True ProgramRunning'],
    ['a rotation', { desired: rotating }, 'True Enforced', 'False Pending', 'True ProgramRunning'],
    [
      'no proxy',
      { egress: AWAY },
      'False ProxyUnavailable',
      'False ProxyUnavailable',
      'False ProxyUnavailable',
    ],
    [
      'a missing value',
      { desired: mediated({}, { credentials: MISSING_VALUE }) },
      ...(['True Enforced', 'False SecretNotFound', 'False SecretNotFound'] as const),
    ],
    ['no rules', { network: flushed }, 'False NotGuarded', 'True Synced', 'False NotGuarded'],
    [
      'a proxy with other ports',
      { egress: heldPolicy('revision-1', { ...PORTS, dns: 1 }) },
      ...(['False Pending', 'True Synced', 'False Pending'] as const),
    ],
    [
      'a CA that could not be installed',
      { guest: { ...STARTED, trust: untrusted } },
      ...(['False TrustFailed', 'True Synced', 'False TrustFailed'] as const),
    ],
    [
      'stopped as declared',
      { ...stopped, desired: mediated({ state: 'Stopped' }) },
      ...(['Unknown NotRunning', 'True AtNextStart', 'True Stopped'] as const),
    ],
    [
      'stopped, and a value is missing',
      { ...stopped, desired: mediated({ state: 'Stopped' }, { credentials: MISSING_VALUE }) },
      ...(['Unknown NotRunning', 'False SecretNotFound', 'True Stopped'] as const),
    ],
    [
      'to be started, without a proxy',
      { ...stopped, egress: AWAY },
      ...(['False ProxyUnavailable', 'False ProxyUnavailable', 'False ProxyUnavailable'] as const),
    ],
  ])('%s', (_, changes, ...expected) => {
    const status = told(changes);
    const textOf = (type: string): string => {
      const condition = conditionOf(status, type);
      return `${condition?.status ?? ''} ${condition?.reason ?? ''}`;
    };
    expect(['EgressEnforced', 'CredentialsSynced', 'Ready'].map(textOf)).toEqual(expected);
  });

  test('are not there for one that is not mediated', () => {
    const world = runningWorld();
    const types = statusOf(world, { is: 'planned', plan: plan(world) }).conditions.map(({ type }) => type);
    expect(types).toEqual(['Ready', 'Running', 'UpToDate']);
  });

  test('say that the values of before stay in use while one is missing', () => {
    const { message } = conditionOf(
      told({ desired: mediated({}, { credentials: MISSING_VALUE }) }),
      'CredentialsSynced',
    ) ?? { message: '' };
    expect(message).toBe('no Secret named db; until then the values of before stay in use');
  });

  test('say what is refused where the proxy has no value of before', () => {
    const { policy } = heldPolicy('revision-lacking');
    if (policy.state !== 'in-force') throw new Error('no policy');
    const status = told({
      desired: mediated({}, { credentials: MISSING_VALUE }),
      egress: { policy: { ...policy, lacking: ['API_KEY'] } },
    });
    expect(conditionOf(status, 'CredentialsSynced')?.message).toBe(
      'no Secret named db; until then requests that need API_KEY are refused, where the proxy has no value of before',
    );
  });
});

describe('the status of credentials', () => {
  test('is a name, a generation and a time, and nothing of a value', () => {
    const status = told();
    expect(status.credentials).toEqual([
      { name: 'API_KEY', generation: 1, rotatedAt: '2026-01-02T02:04:05Z' },
    ]);
    expect(JSON.stringify(status)).not.toContain('digest');
  });

  test('leaves out what is not declared any more', () => {
    expect(told({ desired: mediated({ credentials: {} }) }).credentials).toBeUndefined();
  });
});

describe('what waits for a restart', () => {
  test('is the placeholder of a new name, and a value that is withheld from now on', () => {
    const digests = { API_KEY: 'of the placeholder' };
    const desired = mediated({}, { environment: { is: 'ready', digests } });
    const fields = { ...aRun(MEDIATED).applied.fields, 'env.REAL_KEY': DIGESTS.TOKEN };
    const run = { ...aRun(MEDIATED), applied: { generation: 1, fields } };
    const status = told({ desired, record: aRecord({ image: pinned(), run, credentials: {} }) });
    expect(status.pendingFields).toEqual(['env.API_KEY', 'env.REAL_KEY', 'env.TOKEN']);
    expect(conditionOf(status, 'UpToDate')?.message).toBe(
      'the next restart brings env.API_KEY, env.REAL_KEY, env.TOKEN; the guest still has the real value of env.REAL_KEY',
    );
  });

  test('is of mediation only what the guest knows of its proxy', () => {
    const status = told({ record: aRecord({ image: pinned(), run: aRun(), credentials: {} }) });
    expect(conditionOf(status, 'UpToDate')).toMatchObject({
      reason: 'RestartRequired',
      message:
        'the next restart brings network.egress.enabled; network.egress.enabled holds already, but for the proxy variables of the guest',
    });
  });

  test('is nothing of a rotation, of rules or of the mode', () => {
    const mode = { network: { enabled: true, egress: { enabled: true, mode: 'http_https_only' } } } as const;
    expect(told({ desired: mediated(mode, { credentials: ROTATED }) }).pendingFields).toBeUndefined();
  });

  test('is nothing for a guest that was started before there was mediation', () => {
    const { pendingFields } = statusOf(runningWorld(), { is: 'planned', plan: plan(runningWorld()) });
    expect(pendingFields).toBeUndefined();
  });
});

describe('events', () => {
  test('tell of a rotation by name, once the new value is in use', () => {
    const credentials = { API_KEY: { digest: 'digest-of-new-key', generation: 2, rotatedAt: NOW } };
    const record = aRecord({ image: pinned(), run: aRun(MEDIATED), credentials });
    const after = told({ desired: rotating, egress: heldPolicy('revision-2'), record });
    expect(eventsBetween(told(), told({ desired: rotating }))).toEqual([]);
    expect(eventsBetween(told({ desired: rotating }), after)).toEqual(['Normal CredentialRotated']);
    expect(eventsBetween(after, after)).toEqual([]);
  });

  test('tell of a proxy that is gone and of one that is back, each once', () => {
    expect(eventsBetween(told(), told({ egress: AWAY }))).toEqual(['Warning ProxyUnavailable']);
    expect(eventsBetween(told({ egress: AWAY }), told({ egress: AWAY }))).toEqual([]);
    expect(eventsBetween(told({ egress: AWAY }), told())).toEqual(['Normal EgressEnforced']);
  });

  test('tell of rules that were lost', () => {
    expect(eventsBetween(told(), told({ network: flushed }))).toEqual(['Warning EgressLost']);
  });
});
