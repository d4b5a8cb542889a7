import { joined, missingFrom, partFrom } from './convert-fields.ts';
import { API_VERSION } from './metadata.ts';
import { isMapping, textAt, type Mapping } from './raw.ts';

export type Converted =
  | { readonly document: Readonly<Record<string, unknown>>; readonly notes: readonly string[] }
  | { readonly problems: readonly string[] };

/** What belongs to a fork's body and to no other. */
const FORK_ONLY = ['target_state', 'from_running'];
/** The order in which people read a spec. */
const ORDER = [
  ...['image', 'forkFrom', 'entrypoint', 'cmd', 'env', 'credentials', 'vcpus', 'size', 'hotplugSize'],
  ...['overlaySize', 'diskIoBps', 'network', 'hypervisor', 'volumes', 'devices', 'gpu'],
];

/**
 * An Instance document from a body of the reference system's API: of a create, or of a fork when
 * `source` names the instance that is forked. Keeps what is there, valid or not; the notes say what was
 * left out and why, and what must be added before the parser will accept the document.
 */
export function instanceFromReference(
  body: unknown,
  { source }: { readonly source?: string } = {},
): Converted {
  if (!isMapping(body))
    return { problems: ['the body must be a JSON object: pass what is sent to POST /instances'] };
  const name = textAt(body, ['name']);
  const isFork =
    source !== undefined || (!hasImage(body) && FORK_ONLY.some((field) => Object.hasOwn(body, field)));
  const problems = [
    ...(name === undefined ? ['name is missing: the body of a create or a fork has one'] : []),
    ...(isFork ? forkProblems(source) : createProblems(body)),
  ];
  if (problems.length > 0) return { problems };
  return documentOf(name, isFork ? forkPart(body, source) : createPart(body));
}

function hasImage(body: Mapping): boolean {
  return body.image !== undefined && body.image !== null;
}

function forkProblems(source: string | undefined): readonly string[] {
  if (source !== undefined) return [];
  return ['this is the body of a fork, which does not name its source: say which instance is forked'];
}

function createProblems(body: Mapping): readonly string[] {
  if (hasImage(body)) return [];
  return [
    'image is missing: this is no body of a create; what an update would send is edited in the Instance',
  ];
}

type Draft = { readonly spec: Mapping; readonly notes: readonly string[] };

function createPart(body: Mapping): Draft {
  const parts = Object.entries(body).map(([field, value]) => partFrom(field, value));
  const spec = joined(parts.map((part) => part.spec));
  return { spec, notes: [...parts.flatMap(({ notes }) => notes), ...missingFrom(spec)] };
}

function forkPart(body: Mapping, source: string | undefined): Draft {
  const { target_state: state, from_running: fromRunning } = body;
  const others = Object.keys(body).filter((field) => field !== 'name' && !FORK_ONLY.includes(field));
  return {
    spec: {
      forkFrom: { instance: source, ...(fromRunning === undefined ? {} : { fromRunning }) },
      ...(typeof state === 'string' && state !== '' ? { state } : {}),
    },
    notes: others.map((field) => `${field} is left out: a fork has everything else from its source`),
  };
}

function documentOf(name: string | undefined, { spec, notes }: Draft): Converted {
  const known = ORDER.filter((field) => spec[field] !== undefined);
  const fields = [...known, ...Object.keys(spec).filter((field) => !known.includes(field))];
  return {
    document: {
      apiVersion: API_VERSION,
      kind: 'Instance',
      metadata: { name },
      spec: Object.fromEntries(fields.map((field) => [field, spec[field]])),
    },
    notes,
  };
}
