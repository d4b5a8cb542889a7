import type { Instance, Problem } from '../api/instance.ts';
import type { Parser } from '../api/parser.ts';
import type { Volume } from '../api/volume.ts';
import { isMapping, mappingOf, textAt, valueAt } from '../api/raw.ts';
import type { Mapping } from '../api/raw.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Secret } from '../secrets/secret.ts';
import { describeProblems, documentsIn } from './documents.ts';
import type { SourceDocument } from './documents.ts';
import { specDigest, specWithoutValues } from './spec-text.ts';

export type SubjectKind = 'Instance' | 'Secret' | 'Volume';
/** `Instance/default/web`: what a document speaks about. */
export type Subject = `${SubjectKind}/${string}`;

/** An Instance as far as a source keeps it: no text and no syntax tree. */
export type GoodInstance = {
  readonly is: 'instance';
  readonly instance: Instance;
  /** As declared, but for the values of env. */
  readonly spec: Mapping;
  readonly digest: string;
};
export type GoodSecret = { readonly is: 'secret'; readonly values: Readonly<Record<string, Secret>> };
export type GoodVolume = { readonly is: 'volume'; readonly volume: Volume };
export type BadDocument = { readonly is: 'bad'; readonly message: string };

/** That a document in a file speaks about a subject, and what it says. */
export type Claim = {
  readonly subject: Subject;
  readonly key: InstanceKey;
  /** `file:line:column` */
  readonly place: string;
  readonly says: GoodInstance | GoodSecret | GoodVolume | BadDocument;
};

/** What a file says. `problems` are those that cannot be laid at the door of one subject. */
export type FileReading = {
  readonly claims: readonly Claim[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** Documents of others that still bear a name of ours: a mistyped kind or apiVersion, perhaps. */
  readonly lookalikes: readonly Claim[];
  /** How many documents were not for us. */
  readonly ignored: number;
  /** The whole text is refused for its syntax. */
  readonly isBroken: boolean;
};

export type Reader = { readonly parser: Parser; readonly salt: string };

/** Reads the text of one file; `file` is how messages name it. */
export function readDeclarations(text: string, file: string, reader: Reader): FileReading {
  const found = documentsIn(text);
  if (found.is === 'bad') {
    const problems = found.problems.map(
      ({ line, column, message }) => `${file}:${line}:${column}: ${message}`,
    );
    return { ...NOTHING, problems, isBroken: true };
  }
  return found.documents.map((document) => readDocument(document, file, reader)).reduce(joined, NOTHING);
}

const NOTHING: FileReading = {
  claims: [],
  problems: [],
  warnings: [],
  lookalikes: [],
  ignored: 0,
  isBroken: false,
};

function joined(one: FileReading, other: FileReading): FileReading {
  return {
    claims: [...one.claims, ...other.claims],
    problems: [...one.problems, ...other.problems],
    warnings: [...one.warnings, ...other.warnings],
    lookalikes: [...one.lookalikes, ...other.lookalikes],
    ignored: one.ignored + other.ignored,
    isBroken: false,
  };
}

const OUR_GROUP = /^hypeman\.dev(\/|$)/;

function readDocument(document: SourceDocument, file: string, reader: Reader): FileReading {
  const { value } = document;
  const apiVersion = textAt(value, ['apiVersion']) ?? '';
  const kind = textAt(value, ['kind']) ?? '';
  if (apiVersion === 'v1' && kind === 'Secret') return readSecret(document, file, reader.parser);
  if (OUR_GROUP.test(apiVersion)) return readOurs(document, file, reader);
  if (!isMapping(value)) {
    const message = 'a document must be a mapping with apiVersion, kind, metadata and spec';
    return { ...NOTHING, problems: describeProblems(file, document, [{ pointer: [], message }]) };
  }
  return { ...NOTHING, ignored: 1, lookalikes: lookalikesOf(document, file, { apiVersion, kind }) };
}

function readOurs(document: SourceDocument, file: string, reader: Reader): FileReading {
  const apiVersion = textAt(document.value, ['apiVersion']) ?? '';
  const kind = textAt(document.value, ['kind']) ?? '';
  if (kind === 'Instance' || kind === '') return readInstance(document, file, reader);
  if (kind === 'Volume') return readVolume(document, file, reader.parser);
  const message = `kind ${kind.slice(0, 60)} of ${apiVersion} is not known to this version: only Instance and Volume are`;
  return { ...NOTHING, problems: describeProblems(file, document, [{ pointer: ['kind'], message }]) };
}

function readInstance(document: SourceDocument, file: string, { parser, salt }: Reader): FileReading {
  const parsed = parser.instance(document.value, { source: 'directory' });
  if (parsed.is === 'bad') return refused('Instance', document, file, parsed);
  const { instance } = parsed;
  const key = keyOf(instance.namespace, instance.name);
  const spec = mappingOf(valueAt(document.value, ['spec']));
  const says: GoodInstance = {
    is: 'instance',
    instance,
    spec: specWithoutValues(spec),
    digest: specDigest(key, spec, salt),
  };
  const claim: Claim = { subject: `Instance/${key}`, key, place: placeOf(document, file), says };
  return { ...NOTHING, claims: [claim], warnings: describeProblems(file, document, parsed.warnings) };
}

function readSecret(document: SourceDocument, file: string, parser: Parser): FileReading {
  const parsed = parser.secret(document.value);
  if (parsed.is === 'bad') return refused('Secret', document, file, parsed);
  const { namespace, name, values } = parsed.secret;
  const key = keyOf(namespace, name);
  const claim: Claim = {
    subject: `Secret/${key}`,
    key,
    place: placeOf(document, file),
    says: { is: 'secret', values },
  };
  return { ...NOTHING, claims: [claim], warnings: describeProblems(file, document, parsed.warnings) };
}

function readVolume(document: SourceDocument, file: string, parser: Parser): FileReading {
  const parsed = parser.volume(document.value, { source: 'directory' });
  if (parsed.is === 'bad') return refused('Volume', document, file, parsed);
  const { volume } = parsed;
  const key = keyOf(volume.namespace, volume.name);
  const says: GoodVolume = { is: 'volume', volume };
  return { ...NOTHING, claims: [{ subject: `Volume/${key}`, key, place: placeOf(document, file), says }] };
}

type Bad = { readonly namespace?: string; readonly name?: string; readonly problems: readonly Problem[] };

function refused(kind: SubjectKind, document: SourceDocument, file: string, bad: Bad): FileReading {
  const lines = describeProblems(file, document, bad.problems);
  const key = legalKey(bad.namespace ?? 'default', bad.name);
  if (key === undefined) return { ...NOTHING, problems: lines };
  const says: BadDocument = { is: 'bad', message: lines.join('\n') };
  return {
    ...NOTHING,
    claims: [{ subject: `${kind}/${key}`, key, place: placeOf(document, file), says }],
  };
}

// The key becomes a file name under the state directory: nothing may lead out of it.
const LEGAL_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

function legalKey(namespace: string, name: string | undefined): InstanceKey | undefined {
  if (name === undefined || !LEGAL_NAME.test(name) || !LEGAL_NAME.test(namespace)) return undefined;
  return keyOf(namespace, name);
}

/** A document that nobody reads, but for want of a kind, of an apiVersion or of the right group. */
function lookalikesOf(
  document: SourceDocument,
  file: string,
  { apiVersion, kind }: { apiVersion: string; kind: string },
): readonly Claim[] {
  if (apiVersion !== '' && kind !== '' && kind !== 'Instance') return [];
  const namespace = textAt(document.value, ['metadata', 'namespace']) ?? 'default';
  const key = legalKey(namespace, textAt(document.value, ['metadata', 'name']));
  if (key === undefined) return [];
  const message =
    'this was an Instance: write apiVersion: hypeman.dev/v1alpha1 and kind: Instance, or delete the document to remove it';
  const [line = message] = describeProblems(file, document, [{ pointer: ['kind'], message }]);
  const says: BadDocument = { is: 'bad', message: line };
  return [{ subject: `Instance/${key}`, key, place: placeOf(document, file), says }];
}

function placeOf(document: SourceDocument, file: string): string {
  const { line, column } = document.locate([]);
  return `${file}:${line}:${column}`;
}
