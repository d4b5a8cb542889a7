import { readFile, writeFile } from 'node:fs/promises';
import { CHANGE_EFFECTS } from '../../src/api/change-effects.ts';
import { UNSUPPORTED_FIELDS } from '../../src/api/supported.ts';
import { readCrd } from '../../src/sources/crd.ts';

/** The README's table of fields, made from the CRD's own descriptions. `--check` only compares. */
const README = new URL('../../README.md', import.meta.url);
const OPEN = '<!-- fields: made by test/tools/readme-fields.ts -->';
const CLOSE = '<!-- /fields -->';

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
};

function schemaAt(spec: Schema, path: string): Schema | undefined {
  return path.split('.').reduce<Schema | undefined>((at, name) => at?.properties?.[name], spec);
}

function firstSentence(text: string): string {
  return (/^.*?[.](?=\s|$)/.exec(text.replace(/\s+/g, ' '))?.[0] ?? text).replaceAll('|', '\\|');
}

function row(path: string, schema: Schema): string {
  const change = CHANGE_EFFECTS[path];
  const note = change?.note === undefined ? '' : ` (${change.note})`;
  const refused = UNSUPPORTED_FIELDS.includes(path) ? ' *Refused by this version.*' : '';
  return `| \`${path}\` | ${firstSentence(schema.description ?? '')}${refused} | ${change?.effect ?? ''}${note} |`;
}

async function tableOfFields(): Promise<string> {
  const crd = (await readCrd()) as {
    spec: { versions: readonly { schema: { openAPIV3Schema: Schema } }[] };
  };
  const spec = crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.spec ?? {};
  const rows = Object.keys(CHANGE_EFFECTS).map((path) => row(path, schemaAt(spec, path) ?? {}));
  return ['| field | what it is | an edit takes effect |', '|---|---|---|', ...rows].join('\n');
}

const before = await readFile(README, 'utf8');
const [head = '', rest = ''] = before.split(OPEN);
const tail = rest.slice(rest.indexOf(CLOSE));
const after = `${head}${OPEN}\n\n${await tableOfFields()}\n\n${tail}`;
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md is not fresh: npx node test/tools/readme-fields.ts');
    process.exitCode = 1;
  }
} else await writeFile(README, after);
