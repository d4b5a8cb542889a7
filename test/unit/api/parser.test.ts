import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { openParser, type Parsed } from '../../../src/api/parser.ts';
import { problemText } from '../../../src/api/problem.ts';
import type { SourceKind } from '../../../src/api/supported.ts';
import { instanceCrd } from '../../support/instance-crd.ts';

const strict = openParser(instanceCrd());
const lenient = openParser(instanceCrd(), { unsupported: [] });

function document(spec: unknown, metadata: unknown = { name: 'web' }): Record<string, unknown> {
  return { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', metadata, spec };
}

function spec(more: Record<string, unknown>): Record<string, unknown> {
  return document({ image: 'nginx', ...more });
}

function texts(parsed: Parsed): readonly string[] {
  return parsed.is === 'bad' ? parsed.problems.map(problemText) : [];
}

function read(value: unknown, source: SourceKind = 'directory'): readonly string[] {
  return texts(strict.instance(value, { source }));
}

test('the values of env travel as secrets', () => {
  const parsed = strict.instance(spec({ env: { TOKEN: 'hunter2' } }), { source: 'directory' });
  expect(inspect(parsed, { depth: 9 })).not.toContain('hunter2');
  expect(parsed.is === 'good' && parsed.instance.spec.env.TOKEN?.reveal()).toBe('hunter2');
});

test('no problem repeats a value of env, whatever is wrong with it', () => {
  const said = read(
    spec({
      env: { A: 424242, B: ['hunter2'], C: 'hunter2\0', 'D=': 'hunter2', E: 'hunter2'.repeat(20_000) },
    }),
  );
  expect(said).toHaveLength(5);
  expect(said.join()).not.toMatch(/hunter2|424242/);
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ['a slip of the finger', { vpcus: 2 }, /^spec\.vpcus: unknown field vpcus: did you mean vcpus\?$/],
  ['the snake case of the reference', { overlay_size: '1GB' }, /did you mean overlaySize\?/],
  ['a word from containers', { memory: '1GB' }, /did you mean size\?/],
  ['a field one level too high', { egress: { enabled: false } }, /it belongs at spec\.network\.egress/],
  ['a name in the spec', { name: 'web' }, /it belongs at metadata\.name/],
  ['a field from nowhere', { zzzzzz: 1 }, /remove it, or use one of image,/],
  [
    'an unknown field deeper down',
    { network: { bandwidth: '1GB/s' } },
    /^spec\.network\.bandwidth: unknown field/,
  ],
  [
    'an enum in the wrong case',
    { restartPolicy: 'always' },
    /must be Always, OnFailure or Never: did you mean Always\?$/,
  ],
  [
    'a number where text belongs',
    { env: { PORT: 3000 } },
    /^spec\.env\.PORT: must be text, but YAML reads it as a number: quote it$/,
  ],
  ['a tag that YAML reads as a boolean', { tags: { on: true } }, /quote it: "true"/],
  ['a list written as text', { cmd: 'run' }, /must be a list.*brackets/],
  [
    'a line without a value',
    { cmd: null },
    /must be a list, but there is no value: give one or remove the line/,
  ],
  ['text where a number belongs', { vcpus: 'two' }, /must be a whole number, but it is text/],
  ['a number in quotes', { vcpus: '2' }, /must be a whole number, but it is text: remove the quotes/],
  ['too many CPUs', { vcpus: 1000 }, /must be at most 256/],
  [
    'room for memory that is no whole blocks',
    { hotplugSize: '200MB' },
    /must be a multiple of 128MB: write 256MB/,
  ],
  ['memory that is no whole MiB', { size: '1000000000' }, /must be a whole number of MB .*: write 954MB/],
  ['an image that is none', { image: 'https://x/y' }, /write one such as docker\.io\/library\/nginx/],
  [
    'a fork of itself',
    { forkFrom: { instance: 'web' }, image: undefined },
    /^spec\.forkFrom\.instance: is this Instance itself: name the one that is to be forked$/,
  ],
])('%s is explained', (_, fields, message) => {
  const said = read(JSON.parse(JSON.stringify(spec(fields))));
  expect(said.join('\n')).toMatch(message);
  expect(said).toHaveLength(1);
});

test.each<[string, Record<string, unknown>]>([
  ['spec.devices', { devices: ['l4'] }],
  ['spec.gpu.profile', { gpu: { profile: 'L40S-1Q' } }],
  ['spec.hypervisor', { hypervisor: 'firecracker' }],
  ['spec.skipKernelHeaders', { skipKernelHeaders: false }],
  ['spec.nodeName', { nodeName: 'node-1' }],
  ['spec.nodeSelector', { nodeSelector: { a: 'b' } }],
  ['spec.tolerations', { tolerations: [{ operator: 'Exists' }] }],
  ['spec.affinity', { affinity: { nodeAffinity: { a: 1 } } }],
  ['spec.topologySpreadConstraints', { topologySpreadConstraints: [{ maxSkew: 1 }] }],
  ['spec.priorityClassName', { priorityClassName: 'important' }],
  ['spec.schedulerName', { schedulerName: 'second' }],
])('%s is refused and never ignored', (path, fields) => {
  expect(read(spec(fields)).some((text) => text.startsWith(`${path}: `))).toBe(true);
  expect(lenient.instance(spec(fields), { source: 'directory' })).toMatchObject({ is: 'good' });
});

test('saying no to what is not supported is allowed', () => {
  const fields = {
    ...{ credentials: {}, hotplugSize: 0, volumes: [], devices: [], gpu: {}, hypervisor: 'qemu' },
    ...{ network: { egress: { enabled: false } }, skipKernelHeaders: true, state: 'Stopped' },
  };
  expect(read(spec(fields))).toEqual([]);
});

test('placement is for Kubernetes, files of the host are not', () => {
  expect(read(spec({ nodeName: 'node-1' }), 'kubernetes')).toEqual([]);
  expect(read(spec({ envFrom: [{ fileRef: { path: 'a.env' } }] }), 'directory')).toEqual([]);
  expect(read(spec({ envFrom: [{ fileRef: { path: 'a.env' } }] }), 'kubernetes')).toHaveLength(1);
});

test('an object as a server gives it is read: its status and its bookkeeping are no concern', () => {
  const metadata = {
    name: 'web',
    namespace: 'a',
    uid: 'x',
    generation: 3,
    managedFields: [],
    finalizers: ['y'],
  };
  const served = { ...document({ image: 'nginx' }, metadata), status: { state: 'Running', nonsense: 1 } };
  expect(strict.instance(served, { source: 'kubernetes' })).toMatchObject({ is: 'good' });
});

test.each<[string, unknown, RegExp]>([
  ['nothing', null, /is not an object/],
  ['a list', [], /is not an object/],
  ['another kind', { ...spec({}), kind: 'Pod' }, /kind: this is no Instance/],
  ['another version', { ...spec({}), apiVersion: 'hypeman.dev/v2' }, /apiVersion: hypeman\.dev\/v1alpha1/],
  ['no spec', { ...spec({}), spec: undefined }, /spec: must be a mapping/],
  ['a spec that is text', document('nginx'), /spec: must be a mapping/],
  ['no name', document({ image: 'nginx' }, {}), /metadata\.name: name is missing/],
  ['no metadata', { ...spec({}), metadata: undefined }, /metadata\.name is missing/],
  ['a name with capitals', document({ image: 'nginx' }, { name: 'My_App' }), /for example my-app/],
  ['a name that is a number', document({ image: 'nginx' }, { name: 42 }), /quote the number/],
  [
    'a label that is a number',
    document({ image: 'nginx' }, { name: 'a', labels: { v: 1 } }),
    /metadata\.labels\.v: must be text/,
  ],
  ['a slip in metadata', document({ image: 'nginx' }, { name: 'a', lables: {} }), /did you mean labels\?/],
  ['a slip at the top', { ...spec({}), specs: {} }, /specs: unknown field specs: did you mean spec\?/],
])('%s is explained too', (_, value, message) => {
  expect(read(value).join('\n')).toMatch(message);
});

test('a bad document says whose it was', () => {
  const parsed = strict.instance(document({}, { name: 'web', namespace: 'prod' }), { source: 'directory' });
  expect(parsed).toMatchObject({ is: 'bad', namespace: 'prod', name: 'web' });
});

test('without a readable schema nothing is good', () => {
  const parser = openParser({ spec: {} });
  expect(texts(parser.instance(spec({}), { source: 'directory' })).join()).toMatch(/reinstall/);
});
