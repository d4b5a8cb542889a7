import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openParser } from '../../../src/api/parser.ts';
import { instanceCrd, volumeCrd } from '../../support/instance-crd.ts';

const DIRECTORY = new URL('../../../examples/', import.meta.url);
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));
const documents = files.flatMap((file) =>
  parseAllDocuments(readFileSync(new URL(file, DIRECTORY), 'utf8')).map((document, at) => ({
    title: `${file}, document ${at + 1}`,
    content: document.toJS() as { kind: string; metadata: { name: string } },
  })),
);
const parser = openParser(instanceCrd(), { volumes: volumeCrd() });

function parsed(content: { readonly kind: string }): unknown {
  if (content.kind === 'Secret') return parser.secret(content);
  if (content.kind === 'Volume') return parser.volume(content, { source: 'directory' });
  return parser.instance(content, { source: 'directory' });
}

test.each(documents)('$title can be copied as it is', ({ content }) => {
  expect(parsed(content)).toMatchObject({ is: 'good' });
  expect(parsed(content)).not.toMatchObject({ warnings: [expect.anything()] });
});

test('examples can be put into one directory: no name occurs twice', () => {
  const names = documents.map(({ content }) => `${content.kind}/${content.metadata.name}`);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(7);
});
