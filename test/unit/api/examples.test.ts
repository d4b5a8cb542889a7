import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openParser } from '../../../src/api/parser.ts';
import { instanceCrd } from '../../support/instance-crd.ts';

const DIRECTORY = new URL('../../../examples/', import.meta.url);
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));
const documents = files.flatMap((file) =>
  parseAllDocuments(readFileSync(new URL(file, DIRECTORY), 'utf8')).map((document, at) => ({
    title: `${file}, document ${at + 1}`,
    content: document.toJS() as { kind: string; metadata: { name: string } },
  })),
);
const parser = openParser(instanceCrd());

test.each(documents)('$title can be copied as it is', ({ content }) => {
  const parsed =
    content.kind === 'Secret' ? parser.secret(content) : parser.instance(content, { source: 'directory' });
  expect(parsed).toMatchObject({ is: 'good', warnings: [] });
});

test('examples can be put into one directory: no name occurs twice', () => {
  const names = documents.map(({ content }) => `${content.kind}/${content.metadata.name}`);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(7);
});
