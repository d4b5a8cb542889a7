import type { Problem } from './instance.ts';
import { problem } from './problem.ts';
import { isMapping, listOf, mappingOf, valueAt } from './raw.ts';
import type { SourceKind } from './supported.ts';

/** A shell can set it, and init can pass it on: no `=`, no NUL, nothing that needs quoting. */
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
/** execve(2), MAX_ARG_STRLEN: `NAME=value` and its NUL fit into 32 pages. */
const LONGEST_STRING = 131_072;
const encoder = new TextEncoder();

export function isEnvName(name: string): boolean {
  return ENV_NAME.test(name);
}

export const ENV_NAME_RULE = 'must be letters, digits, "_", "." and "-", beginning with a letter or "_"';

/** Names and values that no process could be started with. Values are never repeated. */
export function environmentProblems(spec: unknown, source: SourceKind): readonly Problem[] {
  return [
    ...Object.entries(mappingOf(valueAt(spec, ['env']))).flatMap(([name, value]) =>
      variableProblems(name, value),
    ),
    ...listOf(valueAt(spec, ['envFrom'])).flatMap((entry, at) => envFromProblems(entry, at, source)),
    ...['entrypoint', 'cmd'].flatMap((field) => wordProblems(spec, field)),
  ];
}

function variableProblems(name: string, value: unknown): readonly Problem[] {
  const at = ['spec', 'env', name];
  const ofName = isEnvName(name) ? [] : [problem(at, `the name of a variable ${ENV_NAME_RULE}`)];
  if (typeof value !== 'string') return ofName;
  const length = encoder.encode(`${name}=${value}`).length + 1;
  return [
    ...ofName,
    ...(value.includes('\0') ? [problem(at, 'must not contain a NUL character: encode binary values')] : []),
    ...(length > LONGEST_STRING
      ? [problem(at, 'is longer than the 128 KiB Linux allows: put it into a file')]
      : []),
  ];
}

function envFromProblems(entry: unknown, index: number, source: SourceKind): readonly Problem[] {
  if (!isMapping(entry)) return [];
  const at = ['spec', 'envFrom', index];
  const given = ['secretRef', 'fileRef'].filter((name) => entry[name] !== undefined);
  const found = given.length === 2 ? 'both are' : 'neither is';
  return [
    ...(given.length === 1
      ? []
      : [problem(at, `exactly one of secretRef and fileRef must be given: ${found}`)]),
    // In a cluster whoever may write an Instance may not therefore read the files of its node.
    ...(source === 'kubernetes' && given.includes('fileRef')
      ? [
          problem(
            [...at, 'fileRef'],
            'reads a file of the host, for directory mode only: use a Secret with secretRef',
          ),
        ]
      : []),
  ];
}

function wordProblems(spec: unknown, field: string): readonly Problem[] {
  return listOf(valueAt(spec, [field])).flatMap((word, at) =>
    typeof word === 'string' && word.includes('\0')
      ? [problem(['spec', field, at], 'must not contain a NUL character')]
      : [],
  );
}
