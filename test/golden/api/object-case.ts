/** One Instance and what is said of it; `server` is what a Kubernetes API server that knows CEL says. */
export type ObjectCase = {
  readonly title: string;
  readonly document: Readonly<Record<string, unknown>>;
  /** Paths of everything that is wrong; none: the object is good. */
  readonly problems: readonly string[];
  readonly warnings?: readonly string[];
  readonly server: 'accepts' | 'refuses';
};

export const IMAGE = 'docker.io/library/nginx:1.29';

export function instance(
  spec: unknown,
  metadata: unknown = { name: 'web' },
): Readonly<Record<string, unknown>> {
  return { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', metadata, spec };
}

export function good(
  title: string,
  spec: Record<string, unknown>,
  warnings: readonly string[] = [],
): ObjectCase {
  return { title, document: instance({ image: IMAGE, ...spec }), problems: [], warnings, server: 'accepts' };
}

/** Refused by both. */
export function bad(title: string, spec: Record<string, unknown>, problems: readonly string[]): ObjectCase {
  return { title, document: instance({ image: IMAGE, ...spec }), problems, server: 'refuses' };
}

/** Refused by us alone: no schema or CEL can tell. */
export function badToUs(
  title: string,
  spec: Record<string, unknown>,
  problems: readonly string[],
): ObjectCase {
  return { ...bad(title, spec, problems), server: 'accepts' };
}
