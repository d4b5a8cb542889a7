import type { Problem } from './instance.ts';
import { nearestOf } from './nearest.ts';
import { orList, problem } from './problem.ts';
import { isMapping, mappingOf, textAt, valueAt } from './raw.ts';

/** Group and version of every resource of ours. */
export const API_VERSION = 'hypeman.dev/v1alpha1';

export type Metadata = {
  readonly namespace: string;
  /** Empty when it is missing. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly problems: readonly Problem[];
};

/** RFC 1123 label: a hostname, a file name and a Kubernetes name at once. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** RFC 1123 subdomain, as names of Secrets are. */
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const LABEL_RULE = '1 to 63 lower-case letters, digits and dashes, with no dash at either end';
const SUBDOMAIN_RULE =
  '1 to 253 lower-case letters, digits, dots and dashes, with a letter or digit at either end';

/** Everything that Kubernetes' ObjectMeta may hold (meta/v1); what a server put there is ignored. */
const KNOWN = [
  ...['name', 'namespace', 'labels', 'annotations', 'generateName', 'uid', 'resourceVersion', 'generation'],
  ...['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'ownerReferences'],
  ...['finalizers', 'managedFields', 'selfLink'],
];

/** Reads `metadata` of a document; the namespace defaults to `default`. */
export function readMetadata(document: unknown, names: 'label' | 'subdomain'): Metadata {
  const metadata = valueAt(document, ['metadata']);
  const namespace = valueAt(metadata, ['namespace']) ?? 'default';
  return {
    namespace: typeof namespace === 'string' ? namespace : 'default',
    name: textAt(metadata, ['name']) ?? '',
    labels: textsOf(valueAt(metadata, ['labels'])),
    annotations: textsOf(valueAt(metadata, ['annotations'])),
    problems: isMapping(metadata)
      ? [
          ...nameProblems(metadata.name, names),
          ...namespaceProblems(namespace),
          ...textMapProblems(metadata.labels, 'labels'),
          ...textMapProblems(metadata.annotations, 'annotations'),
          ...unknownProblems(Object.keys(metadata)),
        ]
      : [problem(['metadata'], 'metadata.name is missing: add a name for this object')],
  };
}

function nameProblems(name: unknown, names: 'label' | 'subdomain'): readonly Problem[] {
  const at = ['metadata', 'name'];
  if (name === undefined) return [problem(at, 'name is missing: add a name for this object')];
  const [shape, rule] = names === 'label' ? [LABEL, LABEL_RULE] : [SUBDOMAIN, SUBDOMAIN_RULE];
  if (typeof name !== 'string') {
    return [problem(at, `must be text of ${rule}${typeof name === 'number' ? ': quote the number' : ''}`)];
  }
  if (shape.test(name)) return [];
  const mended = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return [
    problem(
      at,
      `"${name.slice(0, 80)}" must be ${rule}${LABEL.test(mended) ? `: for example ${mended}` : ''}`,
    ),
  ];
}

function namespaceProblems(namespace: unknown): readonly Problem[] {
  if (typeof namespace === 'string' && LABEL.test(namespace)) return [];
  return [problem(['metadata', 'namespace'], `must be ${LABEL_RULE}, or left out for "default"`)];
}

function textMapProblems(map: unknown, name: string): readonly Problem[] {
  const at = ['metadata', name];
  if (map === undefined || map === null) return [];
  if (!isMapping(map)) return [problem(at, 'must be a mapping of names to text')];
  return Object.entries(map)
    .filter(([, value]) => typeof value !== 'string')
    .map(([key]) => problem([...at, key], 'must be text: quote the value'));
}

function unknownProblems(keys: readonly string[]): readonly Problem[] {
  return keys
    .filter((key) => !KNOWN.includes(key))
    .map((key) => {
      const near = nearestOf(key, KNOWN);
      const advice =
        near === undefined ? `remove it, or use ${orList(KNOWN.slice(0, 4))}` : `did you mean ${near}?`;
      return problem(['metadata', key], `unknown field ${key}: ${advice}`);
    });
}

function textsOf(map: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(mappingOf(map)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
