import type { Instance } from '../api/instance.ts';
import type { Disguise } from '../machine/boot.ts';
import type { GrantShape, PolicyShape } from '../machine/egress.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Identity } from '../machine/record.ts';

/** All that a guest ever sees of a credential (reference system: the same words). */
export function placeholderFor(credential: string): string {
  return `mock-${credential}`;
}

/** What the egress proxy has to know of an instance, but for the values; undefined without mediation. */
export function policyFor(
  instance: Instance,
  who: { readonly key: InstanceKey; readonly identity: Identity; readonly generation: number },
): PolicyShape | undefined {
  const { enabled, egress } = instance.spec.network;
  if (!enabled || !egress.enabled) return undefined;
  const { id, ip, gateway } = who.identity;
  return {
    instance: id,
    key: who.key,
    guest: ip,
    gateway,
    mode: egress.mode,
    generation: who.generation,
    grants: grantsOf(instance),
  };
}

/** What of the declared environment is replaced before the guest has it. */
export function disguiseOf({ spec }: Instance): Disguise {
  const credentials = Object.entries(spec.credentials);
  return {
    withheld: credentials.map(([, { sourceEnv }]) => sourceEnv),
    placeholders: Object.fromEntries(credentials.map(([name]) => [name, placeholderFor(name)])),
  };
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
