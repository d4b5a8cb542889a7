import { expect, test } from 'vitest';
import { openParser } from '../../../src/api/parser.ts';
import { problemText } from '../../../src/api/problem.ts';
import { instanceCrd, volumeCrd } from '../../support/instance-crd.ts';

const parser = openParser(instanceCrd(), { volumes: volumeCrd() });

function volume(spec: unknown, more: Readonly<Record<string, unknown>> = {}): unknown {
  return { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Volume', metadata: { name: 'data' }, spec, ...more };
}

function problemsOf(document: unknown, source: 'directory' | 'kubernetes' = 'directory'): readonly string[] {
  const parsed = parser.volume(document, { source });
  return parsed.is === 'bad' ? parsed.problems.map(problemText) : [];
}

test('a size is all that a volume needs, and it is kept unless told otherwise', () => {
  expect(parser.volume(volume({ size: '10GB' }), { source: 'directory' })).toEqual({
    is: 'good',
    volume: { namespace: 'default', name: 'data', spec: { bytes: 10 * 1024 ** 3, reclaimPolicy: 'Retain' } },
  });
  const filled = volume({ size: '1Gi', source: { archive: 'files.tar.gz' }, reclaimPolicy: 'Delete' });
  expect(parser.volume(filled, { source: 'directory' })).toMatchObject({
    is: 'good',
    volume: { spec: { source: { from: 'archive', path: 'files.tar.gz' }, reclaimPolicy: 'Delete' } },
  });
});

test('everything that is wrong is told at once, each with its way out', () => {
  const document = volume(
    {
      size: '1MB',
      source: { image: 'docker.io/library/nginx', archive: 'a.tar' },
      reclaimPolicy: 'retain',
      colour: 'red',
    },
    { metadata: { name: 'Data_' }, kind: 'Volumes' },
  );
  expect(problemsOf(document)).toEqual([
    'kind: this is no Volume: write apiVersion: hypeman.dev/v1alpha1 and kind: Volume',
    expect.stringMatching(/^metadata\.name: "Data_" must be .*for example data/),
    expect.stringMatching(/^spec\.colour: unknown field colour/),
    'spec.reclaimPolicy: must be Retain or Delete: did you mean Retain?',
    'spec.size: must be at least 16MB',
    'spec.source: a volume is filled from one thing: remove archive or image',
  ]);
});

test.each([
  [{}, 'spec.size: size is missing: add it'],
  [{ size: '17TB' }, 'spec.size: must be at most 16TB'],
  [{ size: 16 * 1024 ** 2 + 1 }, 'spec.size: must be a whole number of MB (1048576 bytes): write 17MB'],
  [
    { size: '64MB', source: {} },
    'spec.source: names nothing to fill the volume with: add archive or image, or remove source',
  ],
  [
    { size: '64MB', source: { image: 'https://nginx' } },
    expect.stringMatching(/^spec.source.image: is not an image reference: write one such as/),
  ],
])('%j is refused', (spec, problem) => {
  expect(problemsOf(volume(spec))).toEqual([problem]);
});

test.each(['directory', 'kubernetes'] as const)('an image fills a volume of a %s', (source) => {
  expect(parser.volume(volume({ size: '64MB', source: { image: 'nginx' } }), { source })).toMatchObject({
    is: 'good',
    volume: { spec: { source: { from: 'image', reference: 'nginx' } } },
  });
});

test('an archive of a host is refused from a cluster', () => {
  const document = volume({ size: '64MB', source: { archive: '/files.tar' } });
  expect(problemsOf(document, 'kubernetes')).toEqual([
    expect.stringMatching(/^spec\.source\.archive: .*directory mode/),
  ]);
});

test.each([null, [], 'text', 5])('%j is no Volume', (document) => {
  expect(problemsOf(document)).toHaveLength(1);
});
