import type { DeclaredSpec } from './declared-spec.ts';
import { specOf } from './defaults.ts';
import { envelopeProblems } from './envelope.ts';
import type { Instance, Problem } from './instance.ts';
import { merged } from './merged-problems.ts';
import { readMetadata } from './metadata.ts';
import { problem } from './problem.ts';
import { isMapping } from './raw.ts';
import { schemaProblems } from './schema-problems.ts';
import { openSchema, type SpecSchema } from './schema.ts';
import { parseSecret, type ParsedSecret } from './secret-document.ts';
import { specProblems, specWarnings } from './spec-rules.ts';
import { UNSUPPORTED, unsupportedProblems, type SourceKind, type Unsupported } from './supported.ts';
import { parseVolume, type DeclaredVolumeSpec, type ParsedVolume } from './volume-document.ts';

/** A document read: an Instance, or everything that is wrong with it at once. */
export type Parsed =
  | { readonly is: 'good'; readonly instance: Instance; readonly warnings: readonly Problem[] }
  | {
      readonly is: 'bad';
      /** Whose declaration it was, as far as that could be read. */
      readonly namespace?: string;
      readonly name?: string;
      readonly problems: readonly [Problem, ...Problem[]];
    };

export type Parser = {
  /** Never fails and keeps nothing: the same document gives the same answer. */
  instance(document: unknown, context: { readonly source: SourceKind }): Parsed;
  secret(document: unknown): ParsedSecret;
  volume(document: unknown, context: { readonly source: SourceKind }): ParsedVolume;
};

type ParserOptions = { readonly unsupported?: readonly Unsupported[]; readonly volumes?: unknown };

/**
 * A parser that judges by the given CRD (the parsed text of `crds/hypeman.dev_instances.yaml`). With a
 * CRD that has no schema every Instance is bad, and the problem says so. `unsupported` is what this
 * version refuses; tests of the rules pass none. `volumes` is the CRD of Volume; without it every Volume is bad.
 */
export function openParser(crd: unknown, { unsupported = UNSUPPORTED, volumes }: ParserOptions = {}): Parser {
  const schema = openSchema<DeclaredSpec>(crd);
  const volumeSchema = openSchema<DeclaredVolumeSpec>(volumes);
  return {
    instance: (document, { source }) => parseInstance(document, { source, unsupported, schema }),
    secret: parseSecret,
    volume: (document, { source }) => parseVolume(document, source, volumeSchema),
  };
}

type Judge = {
  readonly source: SourceKind;
  readonly unsupported: readonly Unsupported[];
  readonly schema: SpecSchema<DeclaredSpec> | undefined;
};

function parseInstance(document: unknown, { source, unsupported, schema }: Judge): Parsed {
  if (schema === undefined)
    return bad([problem([], 'the Instance schema cannot be read: reinstall hypeman-controller')]);
  if (!isMapping(document))
    return bad([problem([], 'is not an object: it must have apiVersion, kind, metadata and spec')]);
  const { problems: ofMetadata, ...metadata } = readMetadata(document, 'label');
  const spec = document.spec;
  const isSpec = schema.validate(spec);
  const ofRules = isMapping(spec)
    ? [...specProblems(spec, metadata.name, source), ...unsupportedProblems(spec, source, unsupported)]
    : [];
  const ofSchema = isSpec ? [] : schemaProblems(spec, schema.validate.errors ?? [], schema.fields);
  const problems = [...envelopeProblems(document, 'Instance'), ...ofMetadata, ...merged(ofSchema, ofRules)];
  if (isSpec && problems.length === 0) {
    return { is: 'good', instance: { ...metadata, spec: specOf(spec) }, warnings: specWarnings(spec) };
  }
  return bad(problems, metadata);
}

function bad(problems: readonly Problem[], found: { namespace?: string; name?: string } = {}): Parsed {
  const [first = problem([], 'is not an Instance'), ...others] = problems;
  const { namespace, name } = found;
  return {
    is: 'bad',
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined || name === '' ? {} : { name }),
    problems: [first, ...others],
  };
}
