import { LineCounter, parseAllDocuments } from 'yaml';
import type { Document } from 'yaml';
import type { Problem } from '../api/instance.ts';
import { pathText } from '../api/problem.ts';
import { isMapping } from '../api/raw.ts';
import { positionOf } from './position.ts';
import type { Position } from './position.ts';
import { yamlSentence } from './yaml-problem.ts';

/** One resource of a file. `locate` holds the whole syntax tree: let go of it soon. */
export type SourceDocument = {
  readonly value: unknown;
  /** Where a pointer from this resource's root leads. */
  locate(pointer: Problem['pointer']): Position;
};

export type TextProblem = Position & { readonly message: string };

export type DocumentsReading =
  | { readonly is: 'good'; readonly documents: readonly SourceDocument[] }
  | { readonly is: 'bad'; readonly problems: readonly TextProblem[] };

/** Far above any hand-written file and far below what would hold up the loop (1 MiB parses in under 1 s). */
export const MAX_FILE_BYTES = 1024 * 1024;

// The yaml package's own default: a legitimate file never comes near, a billion laughs needs more.
const MAX_ALIASES = 100;
const MAX_LIST_DEPTH = 4;

/**
 * The resources in a YAML or JSON text: several documents, `kind: List` opened, empty documents left
 * out. One error of syntax refuses the whole text, since nobody can tell how much of it is meant.
 */
export function documentsIn(text: string): DocumentsReading {
  if (text.includes('\0')) return bad(1, 1, 'holds NUL bytes: it is damaged or was only half written');
  const lines = new LineCounter();
  const parsed: readonly Document[] = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    stringKeys: true,
    logLevel: 'silent',
  });
  const problems = parsed.flatMap(({ errors, warnings }) =>
    [...errors, ...warnings].map(({ code, pos }) => {
      const { line, col } = lines.linePos(pos[0]);
      return { line, column: col, message: yamlSentence(code) };
    }),
  );
  if (problems.length > 0) return { is: 'bad', problems };
  const documents: SourceDocument[] = [];
  for (const document of parsed) {
    const locate = (pointer: Problem['pointer']): Position => positionOf(document, lines, pointer);
    const value = plainValue(document);
    if (value === TOO_MANY_ALIASES || value === UNKNOWN_ALIAS) {
      const { line, column } = locate([]);
      return bad(
        line,
        column,
        value === UNKNOWN_ALIAS ? yamlSentence('BAD_ALIAS') : yamlSentence('RESOURCE_EXHAUSTION'),
      );
    }
    if (value !== null) documents.push(...opened({ value, locate }, 0));
  }
  return { is: 'good', documents };
}

const TOO_MANY_ALIASES = Symbol('too many aliases');
const UNKNOWN_ALIAS = Symbol('unknown alias');

function plainValue(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    // Both are a ReferenceError; only the text tells them apart (yaml 2, nodes/Alias.ts).
    return error instanceof Error && error.message.startsWith('Unresolved')
      ? UNKNOWN_ALIAS
      : TOO_MANY_ALIASES;
  }
}

/** `kind: List`, `InstanceList` and `VolumeList` stand for their items (core/v1 List). */
function opened(document: SourceDocument, depth: number): readonly SourceDocument[] {
  const { value } = document;
  if (!isMapping(value) || !isList(value) || depth > MAX_LIST_DEPTH) return [document];
  return value.items.flatMap((item, index) =>
    opened({ value: item, locate: (pointer) => document.locate(['items', index, ...pointer]) }, depth + 1),
  );
}

function isList(value: Readonly<Record<string, unknown>>): value is { items: readonly unknown[] } {
  const isKnown =
    (value.kind === 'List' && value.apiVersion === 'v1') ||
    ((value.kind === 'InstanceList' || value.kind === 'VolumeList') &&
      String(value.apiVersion).startsWith('hypeman.dev/'));
  return isKnown && Array.isArray(value.items);
}

function bad(line: number, column: number, message: string): DocumentsReading {
  return { is: 'bad', problems: [{ line, column, message }] };
}

/** Each problem of a document as `file:line:col: spec.vcpus: what is wrong and how to mend it`. */
export function describeProblems(
  file: string,
  document: SourceDocument,
  problems: readonly Problem[],
): readonly string[] {
  return problems.map(({ pointer, message }) => {
    const { line, column } = document.locate(pointer);
    const path = pathText(pointer);
    return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
  });
}
