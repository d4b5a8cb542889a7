import { withheldOf } from '../api/inheritance.ts';
import type { Instance } from '../api/instance.ts';
import type { Disguise } from '../machine/boot.ts';
import type { EgressMode, GrantShape, PolicyShape } from '../machine/egress.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { isRunOpen } from '../machine/record.ts';
import type { Fields, Identity, InstanceRecord } from '../machine/record.ts';
import { EGRESS_FIELD, NETWORK_FIELD } from './fields.ts';

/** All that a guest ever sees of a credential (reference system: the same words). */
export function placeholderFor(credential: string): string {
  return `mock-${credential}`;
}

export type PolicyHolder = {
  readonly key: InstanceKey;
  readonly identity: Identity;
  readonly generation: number;
  /** What the guest was started with, while its run is open: see `fieldsOfOpenRun`. */
  readonly running: Fields | undefined;
};

/**
 * What the egress proxy has to know of an instance, but for the values; undefined without mediation. Without it in
 * the spec, a guest that was started with proxy variables keeps a proxy to ask, and no credential, until its run
 * ends; and one that only waits to lose its network is not let out by that.
 */
export function policyFor(instance: Instance, holder: PolicyHolder): PolicyShape | undefined {
  const { enabled, egress } = instance.spec.network;
  if (enabled && egress.enabled) return policyOf(holder, egress.mode, grantsOf(instance));
  const { running } = holder;
  if (running?.[NETWORK_FIELD] !== 'true' || running[EGRESS_FIELD] !== 'true') return undefined;
  return policyOf(holder, enabled ? 'offered' : egress.mode, []);
}

/** What a guest has that was started and whose end nobody has recorded. */
export function fieldsOfOpenRun(record: InstanceRecord | undefined): Fields | undefined {
  return record !== undefined && isRunOpen(record) ? record.run.applied.fields : undefined;
}

/** What of the declared environment is replaced before the guest has it. */
export function disguiseOf({ spec }: Instance): Disguise {
  const names = Object.keys(spec.credentials);
  return {
    withheld: withheldOf(spec),
    placeholders: Object.fromEntries(names.map((name) => [name, placeholderFor(name)])),
  };
}

function policyOf(
  { key, identity, generation }: PolicyHolder,
  mode: EgressMode,
  grants: readonly GrantShape[],
): PolicyShape {
  const { id, ip, gateway } = identity;
  return { instance: id, key, guest: ip, gateway, mode, generation, grants };
}

function grantsOf({ spec }: Instance): readonly GrantShape[] {
  return Object.entries(spec.credentials).flatMap(([credential, { sourceEnv, inject }]) =>
    inject.map(({ hosts, header, format, when }) => ({
      ...{ credential, sourceEnv, hosts, format, when },
      header: header.toLowerCase(),
      placeholder: placeholderFor(credential),
    })),
  );
}
