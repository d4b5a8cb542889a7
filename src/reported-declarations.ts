import type { Instance } from './api/instance.ts';
import { openParser } from './api/parser.ts';
import type { ReportedInstance } from './api/reported.ts';
import { keyOf } from './machine/ids.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { DeclaredEnvironment } from './secrets/environment.ts';
import { Secret } from './secrets/secret.ts';

/**
 * Instances as the controller of this host last reported them, for who plans a fork of one and was not given its
 * file. Values of env are not reported: each stands for one that the controller has.
 */
export function reportedDeclarations(
  reported: readonly ReportedInstance[],
  crd: unknown,
): ReadonlyMap<InstanceKey, Instance> {
  const parser = openParser(crd);
  return new Map(
    reported.flatMap(({ apiVersion, kind, metadata: { namespace, name }, spec }) => {
      const document = { apiVersion, kind, metadata: { namespace, name }, spec };
      const parsed = parser.instance(document, { source: 'directory' });
      return parsed.is === 'good' ? [[keyOf(namespace, name), parsed.instance] as const] : [];
    }),
  );
}

/** The names that a plan needs, each with a value that is none. */
export function supposedEnvironment({ spec }: Instance): DeclaredEnvironment {
  const lent = Object.values(spec.credentials).map(({ sourceEnv }) => [sourceEnv, new Secret('')] as const);
  return { is: 'ready', values: { ...Object.fromEntries(lent), ...spec.env } };
}
