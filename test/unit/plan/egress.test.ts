import { describe, expect, test } from 'vitest';
import { foresee } from '../../../src/plan/foresee.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import { stepsOf, stepText } from '../../support/plan-steps.ts';
import {
  aRecord,
  aRun,
  AUTHORITY,
  freshWorld,
  heldPolicy,
  imageOf,
  MEDIATED,
  mediated,
  mediatedWorld,
  MISSING_VALUE,
  NOW,
  pinned,
  PORTS,
  runningWorld,
  STARTED,
  wanted,
} from '../../support/worlds.ts';

const AWAY: World['egress'] = { problem: 'its process ended', policy: { state: 'absent' } };
const NO_POLICY: World['egress'] = { policy: { state: 'absent' } };
const ROTATED = { is: 'ready', revision: 'revision-2', digests: { API_KEY: 'digest-of-new-key' } } as const;
const OFF = { is: 'ready', revision: 'revision-off', digests: {} } as const;
const open = {
  network: { enabled: true, egress: { enabled: false, mode: 'all' } },
  credentials: {},
} as const;
const NOTED = { API_KEY: { digest: 'digest-of-key', generation: 1, rotatedAt: NOW } };
const record = aRecord({ image: pinned(), credentials: {} });
const prepared = freshWorld({
  record,
  desired: mediated(),
  image: imageOf('docker.io/library/nginx:1.27'),
  overlay: { state: 'ready', bytes: 10 * 2 ** 30 },
  network: { ...runningWorld().network, guard: { state: 'open' } },
});

function guardOf(mode: 'all' | 'http_https_only', explicit?: number): World['network'] {
  const ports = explicit === undefined ? {} : { ports: { ...PORTS, explicit } };
  return { ...runningWorld().network, guard: { state: 'guarded', mediation: { mode, ...ports } } };
}

describe('before a start', () => {
  test('the policy is in force, then the tap is guarded with its ports, then the guest is told', () => {
    expect(stepsOf(prepared)).toEqual(['put all 1']);
    expect(stepsOf({ ...prepared, egress: heldPolicy() })).toEqual(['guard all 40001']);
    const guarded = { ...prepared, egress: heldPolicy(), network: guardOf('all', 40_001) };
    expect(plan(guarded).actions).toMatchObject([
      {
        kind: 'write-boot',
        boot: {
          egress: {
            proxy: 'http://10.100.0.1:3128',
            noProxy: 'localhost,127.0.0.1,::1,10.100.0.1',
            authority: AUTHORITY,
          },
        },
        disguise: { withheld: ['REAL_KEY'], placeholders: { API_KEY: 'mock-API_KEY' } },
      },
    ]);
  });

  test('a tap waits for its policy before it is guarded, and not where that is in force', () => {
    const network = freshWorld().network;
    expect(plan({ ...prepared, network }).actions).toMatchObject([{ kind: 'create-tap' }]);
    expect(plan({ ...prepared, network, egress: heldPolicy() }).actions).toMatchObject([
      { kind: 'create-tap' },
      { kind: 'guard-tap', mediation: { mode: 'all', ports: { explicit: 40_001 } } },
    ]);
  });

  test('the first policy is noted before it is put, so that a removal knows of it', () => {
    const first = { ...prepared, record: aRecord({ image: pinned() }) };
    expect(plan(first).actions).toMatchObject([
      { kind: 'write-record', record: { credentials: {} } },
      { kind: 'put-policy', revision: 'revision-1' },
    ]);
  });

  test("the image's own value of a source is withheld too", () => {
    const image = imageOf('docker.io/library/nginx:1.27');
    const env = { PATH: '/bin', REAL_KEY: 'baked in' };
    const world = { ...prepared, egress: heldPolicy(), network: guardOf('all', 40_001) };
    const [write] = plan({ ...world, image: { ...image, config: { ...image.config, env } } }).actions;
    expect(write?.kind === 'write-boot' && write.boot.imageEnv).toEqual({ PATH: '/bin' });
  });

  test('without a proxy it waits, and looks again', () => {
    expect(plan({ ...prepared, egress: AWAY })).toMatchObject({
      ...{ verdict: 'waiting', reason: 'ProxyUnavailable', actions: [], lookAgainMs: 5_000 },
      message: 'the egress proxy cannot be reached: its process ended',
    });
  });

  test('without a value it waits with the reason of whoever misses it', () => {
    expect(plan({ ...prepared, desired: mediated({}, { credentials: MISSING_VALUE }) })).toMatchObject({
      ...{ verdict: 'waiting', reason: 'SecretNotFound', actions: [] },
    });
  });

  test('a start writes down what the proxy has by then', () => {
    const guarded = { ...prepared, egress: heldPolicy(), network: guardOf('all', 40_001) };
    const [boot] = plan(guarded).actions;
    const fields = boot?.kind === 'write-boot' ? boot.fields : {};
    expect(plan({ ...guarded, boot: { state: 'ready', fields } }).actions).toMatchObject([
      {
        record: {
          credentials: { API_KEY: { digest: 'digest-of-key', generation: 1, rotatedAt: NOW } },
          run: { applied: { fields: { 'network.egress.enabled': 'true' } } },
        },
      },
      { kind: 'start-machine' },
    ]);
  });

  test('all of it is foreseen', () => {
    const steps = foresee({ ...prepared, desired: mediated() }).flatMap(({ actions }) =>
      actions.map(stepText),
    );
    expect(steps).toEqual([
      ...['put all 1', 'guard all 1', 'write-boot', 'write-record', 'start-machine', 'write-record'],
    ]);
  });
});

describe('under a guest that runs', () => {
  test('nothing is done while all is as declared', () => {
    expect(plan(mediatedWorld())).toMatchObject({ verdict: 'rest', actions: [] });
  });

  test.each<[string, Partial<World>, readonly string[]]>([
    ['a rotation', { desired: mediated({}, { credentials: ROTATED }) }, ['put all 1']],
    [
      'another mode, once the proxy has it',
      {
        desired: mediated({
          network: { enabled: true, egress: { enabled: true, mode: 'http_https_only' } },
        }),
      },
      ['guard http_https_only 40001'],
    ],
    [
      'a proxy with other ports',
      { egress: heldPolicy('revision-1', { ...PORTS, explicit: 7 }) },
      ['guard all 7'],
    ],
    ['a proxy that is gone', { egress: AWAY }, ['guard all']],
    ['a policy that is gone', { egress: NO_POLICY }, ['guard all']],
    ['a policy that is gone, guarded', { egress: NO_POLICY, network: guardOf('all') }, ['put all 1']],
    [
      'rules that were flushed while a rotation is due',
      {
        desired: mediated({}, { credentials: ROTATED }),
        network: { ...runningWorld().network, guard: { state: 'open' } },
      },
      ['guard all 40001'],
    ],
  ])('%s', (_, changes, steps) => {
    expect(stepsOf(mediatedWorld(changes))).toEqual(steps);
  });

  test('mediation that is switched on is put in force, then guarded, then trusted, and nothing is restarted', () => {
    const world = runningWorld({
      desired: mediated({ updatePolicy: 'OnRestart' }),
      record: aRecord({ image: pinned(), run: aRun(), credentials: {} }),
      guest: { ...STARTED, trust: { state: 'none' } },
    });
    expect(stepsOf(world)).toEqual(['put all 1']);
    const put = { ...world, egress: heldPolicy() };
    expect(stepsOf(put)).toEqual(['guard all 40001']);
    const guarded = { ...put, network: guardOf('all', 40_001) };
    expect(plan(guarded).actions).toMatchObject([{ kind: 'write-record' }]);
    const written = { credentials: NOTED, policyRevision: 'revision-1' };
    const noted = { ...guarded, record: aRecord({ image: pinned(), run: aRun(), ...written }) };
    expect(plan(noted)).toMatchObject({
      actions: [{ kind: 'trust-authority', authority: AUTHORITY }],
      lookAgainMs: 10_000,
    });
  });

  test('mediation that is switched off leaves a proxy to ask and no credential, until the restart', () => {
    const world = mediatedWorld({ desired: wanted(open, { credentials: OFF }) });
    expect(stepsOf(world)).toEqual(['put offered 0']);
    expect(stepsOf({ ...world, egress: heldPolicy('revision-off') })).toEqual(['guard offered 40001']);
  });

  test('switched off before the guest had proxy variables, the guard is opened first and the policy goes then', () => {
    const world = mediatedWorld({
      desired: wanted(open),
      record: aRecord({ image: pinned(), run: aRun(), credentials: {} }),
    });
    expect(stepsOf(world)).toEqual(['guard']);
    expect(stepsOf({ ...world, network: runningWorld().network })).toEqual(['remove policy']);
  });

  test('a guest that waits to lose its network is not let out meanwhile', () => {
    const offline = {
      ...open,
      network: { enabled: false, egress: { enabled: false, mode: 'all' } },
    } as const;
    expect(stepsOf(mediatedWorld({ desired: wanted(offline, { credentials: OFF }) }))).toEqual(['put all 0']);
  });

  test('a missing value holds up nothing but itself: what is declared is put, and the note of it stays', () => {
    const before = aRecord({
      image: pinned(),
      run: aRun(MEDIATED),
      credentials: NOTED,
      policyRevision: 'revision-1',
    });
    const world = mediatedWorld({
      desired: mediated({}, { credentials: MISSING_VALUE }),
      record: before,
    });
    expect(plan(world).actions).toMatchObject([{ kind: 'put-policy', revision: 'revision-lacking' }]);
    const put = { ...world, egress: heldPolicy('revision-lacking') };
    expect(plan(put).actions).toMatchObject([
      { record: { credentials: NOTED, policyRevision: 'revision-lacking' } },
    ]);
    expect(plan({ ...put, record: { ...before, policyRevision: 'revision-lacking' } })).toMatchObject({
      ...{ verdict: 'waiting', reason: 'SecretNotFound', actions: [] },
    });
  });

  test('a credential that is not declared any more leaves its note, whatever else is missing', () => {
    const both = { ...NOTED, OLD: { digest: 'digest-of-old', generation: 4, rotatedAt: NOW } };
    const world = mediatedWorld({
      desired: mediated({}, { credentials: MISSING_VALUE }),
      record: aRecord({ image: pinned(), run: aRun(), credentials: both, policyRevision: 'revision-1' }),
      egress: heldPolicy('revision-lacking'),
    });
    const [write] = plan(world).actions;
    expect(write?.kind === 'write-record' && write.record.credentials).toEqual(NOTED);
  });

  test('a rotation is on record when the proxy has it', () => {
    const world = mediatedWorld({ desired: mediated({}, { credentials: ROTATED }) });
    expect(plan({ ...world, egress: heldPolicy('revision-2') }).actions).toMatchObject([
      {
        record: { credentials: { API_KEY: { digest: 'digest-of-new-key', generation: 2, rotatedAt: NOW } } },
      },
    ]);
  });

  test('a guest that could not install the CA is asked again only for another one', () => {
    const trust = { state: 'failed', fingerprint: AUTHORITY.fingerprint, message: 'no bundle' } as const;
    expect(plan(mediatedWorld({ guest: { ...STARTED, trust } }))).toMatchObject({
      ...{ verdict: 'stuck', reason: 'TrustFailed', actions: [] },
      message: 'the guest could not install the CA of its egress proxy: no bundle',
    });
    const other = { ...STARTED, trust: { ...trust, fingerprint: 'of another CA' } };
    expect(stepsOf(mediatedWorld({ guest: other }))).toEqual(['trust-authority']);
  });
});
