import fc from 'fast-check';
import type { InstanceSpec } from '../../src/api/instance.ts';
import type { GuestTrust, Mediation } from '../../src/machine/egress.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { World } from '../../src/plan/world.ts';
import { AUTHORITY, heldPolicy, MEDIATED, NOW, PORTS } from './worlds.ts';

/** Any mediation: declared, in the guard, in the proxy, on record and in the guest. */

const TWO_CREDENTIALS: InstanceSpec['credentials'] = {
  ...MEDIATED.credentials,
  OTHER: {
    sourceEnv: 'OTHER_KEY',
    inject: [{ hosts: [], header: 'X-Key', format: '${value}', when: 'always' }],
  },
};

export const anyCredentials = fc.constantFrom<InstanceSpec['credentials']>(
  {},
  MEDIATED.credentials,
  TWO_CREDENTIALS,
);

const ports = fc.constantFrom(PORTS, { explicit: 5, tls: 6, http: 7, dns: 8 });

export const anyGuard: fc.Arbitrary<World['network']['guard']> = fc.oneof(
  fc.constant({ state: 'open' as const }),
  fc.constant({ state: 'guarded' as const }),
  fc.record({
    state: fc.constant('guarded' as const),
    mediation: fc
      .record({
        mode: fc.constantFrom('all' as const, 'http_https_only' as const, 'offered' as const),
        ports: fc.option(ports, { nil: undefined }),
      })
      .map(({ mode, ports: some }): Mediation => ({ mode, ...(some === undefined ? {} : { ports: some }) })),
  }),
);

export const anyEgress: fc.Arbitrary<World['egress']> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ policy: { state: 'absent' as const } }) },
  fc.constant({ problem: 'its process ended', policy: { state: 'absent' as const } }),
  { weight: 2, arbitrary: ports.map((each) => heldPolicy('of another time', each)) },
);

export const anyNote = fc.constantFrom<InstanceRecord['credentials']>(
  undefined,
  undefined,
  {},
  {
    API_KEY: { digest: 'digest of v0', generation: 3, rotatedAt: NOW - 5_000 },
  },
);

export const anyTrust = fc.constantFrom<GuestTrust | undefined>(
  undefined,
  { state: 'none' },
  { state: 'installed', fingerprint: 'of another CA' },
  { state: 'installed', fingerprint: AUTHORITY.fingerprint },
  { state: 'failed', fingerprint: AUTHORITY.fingerprint, message: 'no bundle' },
);
