import { EGRESS_MISSING, overlapProblems } from './credential-rules.ts';
import type { Rule } from './credential-rules.ts';
import type { Inheritance } from './inheritance.ts';
import type { Instance, InstanceSpec, NetworkSpec, Problem, SilentField } from './instance.ts';
import { NETWORK_MISSING } from './spec-rules.ts';

/** All that a fork takes over but for the values of its environment. */
export type InheritedSpec = Omit<Inheritance, 'env'>;

/**
 * A fork's own words over those of its source: what it is silent about is the source's. The result is silent about
 * nothing, and itself when it is given again. `env` and `envFrom` are its own: their values come together elsewhere.
 */
export function inherited(own: Instance, { spec, withheld }: InheritedSpec): Instance {
  const { silent, ...said } = own.spec;
  if (silent === undefined) return own;
  const credentials =
    said.forkFrom?.credentials === 'None' ? said.credentials : { ...spec.credentials, ...said.credentials };
  const network = networkOf(said.network, spec.network, silent);
  return {
    ...own,
    spec: {
      ...silent
        .filter(isPlain)
        .reduce((to, field) => taken(to, field, spec), { ...said, credentials, network }),
      withheld,
    },
  };
}

/** What is wrong with a fork's spec only when it is taken together with what it inherited. */
export function inheritedProblems({ credentials, network }: InstanceSpec): readonly Problem[] {
  const hasCredentials = Object.keys(credentials).length > 0;
  return [
    ...(network.egress.enabled && !network.enabled ? [NETWORK_MISSING] : []),
    ...(hasCredentials && !network.egress.enabled ? [EGRESS_MISSING] : []),
    ...overlapProblems(Object.entries(credentials).flatMap(rulesOf)),
  ];
}

type PlainField = SilentField & keyof InstanceSpec;

function isPlain(field: SilentField): field is PlainField {
  return !field.startsWith('network.');
}

function taken(to: InstanceSpec, field: PlainField, from: InheritedSpec['spec']): InstanceSpec {
  return from[field] === undefined ? to : { ...to, [field]: from[field] };
}

function networkOf(own: NetworkSpec, source: NetworkSpec, silent: readonly SilentField[]): NetworkSpec {
  const spoken = (field: SilentField): NetworkSpec => (silent.includes(field) ? source : own);
  const { downloadBps } = spoken('network.downloadBps');
  const { uploadBps } = spoken('network.uploadBps');
  return {
    enabled: spoken('network.enabled').enabled,
    ...(downloadBps === undefined ? {} : { downloadBps }),
    ...(uploadBps === undefined ? {} : { uploadBps }),
    egress: {
      enabled: spoken('network.egress.enabled').egress.enabled,
      mode: spoken('network.egress.mode').egress.mode,
    },
  };
}

function rulesOf([name, { inject }]: [string, InstanceSpec['credentials'][string]]): readonly Rule[] {
  return inject.map(({ header, format, hosts }, index) => ({
    at: ['spec', 'credentials', name, 'inject', index],
    ...{ header, format, hosts },
  }));
}
