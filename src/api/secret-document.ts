import { Secret } from '../secrets/secret.ts';
import type { Problem } from './instance.ts';
import { readMetadata } from './metadata.ts';
import { nearestOf } from './nearest.ts';
import { orList, problem } from './problem.ts';
import { isMapping, mappingOf, valueAt } from './raw.ts';

/** A v1/Secret of the local secret store. */
type SecretDocument = {
  readonly namespace: string;
  readonly name: string;
  readonly values: Readonly<Record<string, Secret>>;
};

export type ParsedSecret =
  | { readonly is: 'good'; readonly secret: SecretDocument; readonly warnings: readonly Problem[] }
  | {
      readonly is: 'bad';
      readonly namespace?: string;
      readonly name?: string;
      readonly problems: readonly Problem[];
    };

type Entry =
  { readonly is: 'value'; readonly text: string } | { readonly is: 'wrong'; readonly message: string };

/** core/v1 Secret. */
const FIELDS = ['apiVersion', 'kind', 'metadata', 'data', 'stringData', 'type', 'immutable'];
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
/** RFC 4648 section 4, padded, as Kubernetes writes and wants it; line breaks are ignored there too. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Reads a v1/Secret; `stringData` wins over `data`, as on a server. No value is ever in a problem. */
export function parseSecret(document: unknown): ParsedSecret {
  const metadata = readMetadata(document, 'subdomain');
  const encoded = entriesOf(document, 'data', decoded);
  const plain = entriesOf(document, 'stringData', (text) => ({ is: 'value', text }));
  const problems = [
    ...kindProblems(document),
    ...metadata.problems,
    ...unknownProblems(document),
    ...encoded.problems,
    ...plain.problems,
  ];
  const { namespace, name } = metadata;
  if (problems.length > 0) return { is: 'bad', namespace, ...(name === '' ? {} : { name }), problems };
  const texts = { ...encoded.texts, ...plain.texts };
  const values = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, new Secret(text)]));
  return { is: 'good', secret: { namespace, name, values }, warnings: encoded.warnings };
}

function kindProblems(document: unknown): readonly Problem[] {
  const isSecret = valueAt(document, ['kind']) === 'Secret' && valueAt(document, ['apiVersion']) === 'v1';
  return isSecret ? [] : [problem(['kind'], 'this is no Secret: write apiVersion: v1 and kind: Secret')];
}

function unknownProblems(document: unknown): readonly Problem[] {
  return Object.keys(mappingOf(document))
    .filter((key) => !FIELDS.includes(key))
    .map((key) => {
      const near = nearestOf(key, FIELDS);
      const advice =
        near === undefined ? `remove it, or use one of ${orList(FIELDS)}` : `did you mean ${near}?`;
      return problem([key], `unknown field ${key}: ${advice}`);
    });
}

type Entries = {
  readonly texts: Readonly<Record<string, string>>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
};

function entriesOf(document: unknown, field: string, read: (text: string) => Entry): Entries {
  const map = valueAt(document, [field]) ?? {};
  if (!isMapping(map)) {
    return { texts: {}, problems: [problem([field], 'must be a mapping of names to text')], warnings: [] };
  }
  const readings = Object.entries(map).map(([key, value]) => ({ key, entry: entryOf(key, value, read) }));
  return {
    texts: Object.fromEntries(
      readings.flatMap(({ key, entry }) => (entry.is === 'value' ? [[key, entry.text] as const] : [])),
    ),
    problems: readings.flatMap(({ key, entry }) =>
      entry.is === 'wrong' ? [problem([field, key], entry.message)] : [],
    ),
    warnings: readings.flatMap(({ key, entry }) =>
      entry.is === 'value' && entry.text.endsWith('\n')
        ? [
            problem(
              [field, key],
              'the value ends with a line break: encode it with printf or echo -n if that is not meant',
            ),
          ]
        : [],
    ),
  };
}

function entryOf(key: string, value: unknown, read: (text: string) => Entry): Entry {
  if (!KEY.test(key)) return { is: 'wrong', message: 'a key must be letters, digits, "-", "_" and "."' };
  if (typeof value === 'string') return read(value);
  return { is: 'wrong', message: 'must be text: quote the value, or remove the line if there is none' };
}

function decoded(text: string): Entry {
  const compact = text.replace(/[\r\n]/g, '');
  if (!BASE64.test(compact)) {
    return { is: 'wrong', message: 'is not base64: encode the value, or put it as it is under stringData' };
  }
  const bytes = Buffer.from(compact, 'base64');
  const plain = bytes.toString('utf8');
  // Only text can be the value of a variable; a lossy reading would hand out a wrong key.
  if (Buffer.from(plain, 'utf8').equals(bytes)) return { is: 'value', text: plain };
  return {
    is: 'wrong',
    message: 'is not UTF-8 text once decoded, and only text can be a variable: remove it',
  };
}
