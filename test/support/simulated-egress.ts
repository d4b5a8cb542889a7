import type { EgressState, ListenerPorts } from '../../src/machine/egress.ts';
import { EGRESS_FIELD } from '../../src/plan/fields.ts';
import { fieldsOfOpenRun, policyFor } from '../../src/plan/policy-for.ts';
import type { CredentialsState, Wanted, World } from '../../src/plan/world.ts';
import { SOURCE_ID } from './fork-worlds.ts';
import { isStillItsSource } from './simulated-forks.ts';
import { AUTHORITY, IDENTITY, NOW } from './worlds.ts';

/** The proxy of a simulated host, and what the sources of its credentials hold. */
export type SimulatedEgress = {
  /** By variable; what is not there is missing. */
  readonly values: Readonly<Record<string, string>>;
  /** How many proxies there have been: each has other ports. */
  readonly proxies: number;
  /** What the controller was last asked to put, and gives to a proxy that comes back. */
  readonly remembered: string | undefined;
};

export const VALUES = { REAL_KEY: 'v1', OTHER_KEY: 'v1' };

export function answerTo({ proxies }: SimulatedEgress, revision: string): EgressState {
  return { policy: { state: 'in-force', revision, ports: portsOf(proxies), authority: AUTHORITY } };
}

/** A proxy that had gone is there again, with other ports, and with what it was last given. */
export function withProxy<T extends SimulatedEgress & { readonly world: World }>(host: T): T {
  const { world, remembered } = host;
  if (world.egress.problem === undefined) return host;
  const next = { ...host, proxies: host.proxies + 1 };
  const egress: EgressState =
    remembered === undefined ? { policy: { state: 'absent' } } : answerTo(next, remembered);
  return { ...next, world: { ...world, egress } };
}

/** What a look says of the credentials, by the same words as src/look/desired.ts. */
export function withCredentials(
  { desired, record, key }: World,
  values: SimulatedEgress['values'],
): World['desired'] {
  if (desired.is !== 'wanted') return desired;
  const running = record === 'absent' ? undefined : fieldsOfOpenRun(record);
  const { instance, generation } = desired;
  const policy = policyFor(instance, { key, identity: IDENTITY, generation, running });
  if (policy === undefined) return { ...desired, credentials: { is: 'none' } };
  return { ...desired, credentials: filled(desired, policy, values) };
}

function filled(
  { environment }: Wanted,
  policy: NonNullable<ReturnType<typeof policyFor>>,
  values: SimulatedEgress['values'],
): CredentialsState {
  const there = environment.is === 'missing' ? {} : values;
  const digests = Object.fromEntries(
    policy.grants.flatMap(({ credential, sourceEnv }) => {
      const value = there[sourceEnv];
      return value === undefined ? [] : [[credential, `digest of ${value}`]];
    }),
  );
  const revision = JSON.stringify([{ ...policy, generation: 0 }, digests]);
  const absent = policy.grants.find(({ sourceEnv }) => there[sourceEnv] === undefined);
  if (absent === undefined) return { is: 'ready', revision, digests };
  const { reason, message } =
    environment.is === 'missing'
      ? environment
      : { reason: 'KeyMissing', message: `${absent.sourceEnv} is missing` };
  return { is: 'missing', reason, message, revision, digests };
}

/** Its programs stood still when it was frozen. */
const STILL_SOURCE = { identity: SOURCE_ID, held: true } as const;

/** Init installs the CA that its boot archive has, before the program. */
export function startedIn({ record }: World, trusts: boolean): World['guest'] {
  const identity = record !== 'absent' && isStillItsSource(record) ? STILL_SOURCE : { identity: IDENTITY.id };
  const started = { state: 'started', startedAt: NOW, agentReady: true, ...identity } as const;
  const fields = record === 'absent' ? undefined : record.run?.applied.fields;
  if (fields?.[EGRESS_FIELD] !== 'true') return { ...started, trust: { state: 'none' } };
  return trusting({ ...started, trust: { state: 'none' } }, AUTHORITY.fingerprint, trusts);
}

export function trusting(guest: World['guest'], fingerprint: string, trusts: boolean): World['guest'] {
  if (guest.state !== 'started') return guest;
  return {
    ...guest,
    trust: trusts
      ? { state: 'installed', fingerprint }
      : { state: 'failed', fingerprint, message: 'no bundle of a known kind' },
  };
}

function portsOf(proxies: number): ListenerPorts {
  const first = 40_001 + 10 * proxies;
  return { explicit: first, tls: first + 1, http: first + 2, dns: first + 3 };
}
