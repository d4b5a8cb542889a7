import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openParser } from '../../../src/api/parser.ts';
import { problemText } from '../../../src/api/problem.ts';
import { instanceCrd } from '../../support/instance-crd.ts';

const parser = openParser(instanceCrd());
const FIELDS = [
  ...['image', 'entrypoint', 'cmd', 'env', 'envFrom', 'credentials', 'vcpus', 'size', 'network', 'volumes'],
  ...['devices', 'gpu', 'tags', 'state', 'forkFrom', 'tolerations', 'affinity', '__proto__', 'constructor'],
];
const anything = fc.anything({ maxDepth: 4, withNullPrototype: true });
const spec = fc.dictionary(fc.oneof(fc.constantFrom(...FIELDS), fc.string()), anything);
const documents = fc.oneof(
  anything,
  spec.map((inner) => ({
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: { name: 'a' },
    spec: inner,
  })),
);

test('whatever stands in a file, it is read, or refused with a reason', () => {
  fc.assert(
    fc.property(documents, (document) => {
      const parsed = parser.instance(document, { source: 'directory' });
      if (parsed.is === 'bad')
        for (const problem of parsed.problems) expect(problemText(problem)).toMatch(/\S/);
    }),
    { numRuns: 500 },
  );
});

test('the same document always gets the same answer', () => {
  fc.assert(
    fc.property(documents, (document) => {
      const [one, other] = [0, 1].map(() => parser.instance(document, { source: 'kubernetes' }));
      expect(one).toEqual(other);
    }),
  );
});

test('whatever stands in a Secret, it is read, or refused with a reason', () => {
  fc.assert(
    fc.property(fc.record({ data: anything, stringData: anything }, { requiredKeys: [] }), (fields) => {
      const parsed = parser.secret({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, ...fields });
      if (parsed.is === 'bad') expect(parsed.problems).not.toEqual([]);
    }),
  );
});
