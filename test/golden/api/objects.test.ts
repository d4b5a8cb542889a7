import { expect, test } from 'vitest';
import { openParser } from '../../../src/api/parser.ts';
import { pathText } from '../../../src/api/problem.ts';
import { instanceCrd } from '../../support/instance-crd.ts';
import { OBJECTS } from './objects.ts';

const parser = openParser(instanceCrd(), { unsupported: [] });

test.each(OBJECTS)('$title', ({ document, problems, warnings = [] }) => {
  // As it would come from a file: what is undefined is not there.
  const parsed = parser.instance(JSON.parse(JSON.stringify(document)), { source: 'kubernetes' });
  const found = parsed.is === 'bad' ? parsed.problems.map(({ pointer }) => pathText(pointer)).sort() : [];
  expect(found, JSON.stringify(parsed, undefined, 1)).toEqual([...problems].sort());
  if (parsed.is === 'good') expect(parsed.warnings.map(({ pointer }) => pathText(pointer))).toEqual(warnings);
});
