import { expect, test } from 'vitest';
import { instanceFromReference } from '../../../src/api/convert.ts';
import { openParser } from '../../../src/api/parser.ts';
import { problemText } from '../../../src/api/problem.ts';
import { instanceCrd } from '../../support/instance-crd.ts';
import {
  CREATE_BODY,
  EVERY_FIELD,
  FORK_BODY,
  INSTANCE_RESPONSE,
  OLDER_CREATE_BODY,
  UPDATE_BODY,
} from './reference-bodies.ts';

const parser = openParser(instanceCrd(), { unsupported: [] });

function converted(body: unknown, source?: string): { document: Record<string, unknown>; notes: string } {
  const result = instanceFromReference(body, source === undefined ? {} : { source });
  if ('problems' in result) throw new Error(result.problems.join());
  return { document: { ...result.document }, notes: result.notes.join('\n') };
}

function problemsOf(document: unknown): readonly string[] {
  const parsed = parser.instance(document, { source: 'directory' });
  return parsed.is === 'bad' ? parsed.problems.map(problemText) : [];
}

test('the documented create body keeps every word of it', () => {
  expect(converted(CREATE_BODY).document).toEqual({
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: { name: 'my-workload-1' },
    spec: {
      image: 'docker.io/library/alpine:latest',
      entrypoint: ['/bin/sh', '-c'],
      cmd: ['echo', 'hello'],
      env: { PORT: '3000', NODE_ENV: 'production' },
      credentials: CREATE_BODY.credentials,
      vcpus: 2,
      size: '2GB',
      hotplugSize: '2GB',
      overlaySize: '20GB',
      diskIoBps: '100MB/s',
      hypervisor: 'cloud-hypervisor',
      devices: ['l4-gpu'],
      skipKernelHeaders: true,
      tags: { team: 'backend', env: 'staging' },
    },
  });
});

test('what the documented create body lacks is noted, and nothing else is wrong with it', () => {
  const { document, notes } = converted(CREATE_BODY);
  expect(notes).toMatch(/OUTBOUND_OPENAI_KEY, which env does not define/);
  expect(notes).toMatch(/credentials need network\.egress\.enabled: true/);
  expect(notes).toMatch(/hardware that the host must have: l4-gpu/);
  expect(notes).toMatch(/default is OnFailure; add restartPolicy: Never/);
  expect(problemsOf(document)).toEqual([
    expect.stringMatching(/^spec\.credentials: credentials require/),
    expect.stringMatching(/^spec\.credentials\.OUTBOUND_OPENAI_KEY\.source\.env: /),
  ]);
});

test.each([
  ['the older example', OLDER_CREATE_BODY],
  ['the smallest body', { name: 'a', image: 'nginx' }],
  ['every field there is', EVERY_FIELD],
  ['an instance as the API returns it', INSTANCE_RESPONSE],
  ['a body with nulls', { name: 'a', image: 'nginx', env: null, hotplug_size: null, gpu: null }],
])('%s becomes a valid document', (_, body) => {
  expect(problemsOf(converted(body).document)).toEqual([]);
});

test('each field is carried over or named in a note', () => {
  const { document, notes } = converted(EVERY_FIELD);
  expect(document.spec).toMatchObject({
    network: {
      ...{ enabled: true, bandwidthDownload: '1Gbps', bandwidthUpload: '125MB/s' },
      egress: { enabled: true, enforcement: { mode: 'http_https_only' } },
    },
    volumes: [{ volume: 'data', mountPath: '/mnt/data' }],
    gpu: { profile: 'L40S-1Q' },
    skipGuestAgent: true,
    restartPolicy: 'OnFailure',
  });
  for (const field of [
    'platform',
    'auto_standby',
    'health_check',
    'snapshot_policy',
    'ttl',
    'max_attempts',
  ]) {
    expect(notes).toContain(field);
  }
  expect(notes).not.toContain('expires_at');
  expect(notes).not.toContain('to be added');
});

test('what the reference only reports is left out, with a note', () => {
  const { document, notes } = converted(INSTANCE_RESPONSE);
  expect(JSON.stringify(document)).not.toMatch(/192\.168|mdev|2025-01-15|Created/);
  for (const field of ['id', 'state', 'exit_code', 'network.ip', 'gpu.mdev_uuid']) {
    expect(notes).toContain(`${field} is left out`);
  }
});

test('a field nobody has heard of is left out, with a note', () => {
  const { document, notes } = converted({ name: 'a', image: 'nginx', toString: 1, flavour: 'x' });
  expect(document.spec).toEqual({ image: 'nginx' });
  expect(notes).toMatch(/flavour is left out: there is no such field here/);
  expect(notes).toMatch(/toString is left out/);
});

test.each([
  [{ network: { bandwidth_upload: '125MBps' } }, { network: { bandwidthUpload: '125Mbps' } }],
  [{ network: { bandwidth_upload: '1Gb/s' } }, { network: { bandwidthUpload: '1GB/s' } }],
  [{ disk_io_bps: '100MBps' }, { diskIoBps: '100MB/s' }],
  [{ vcpus: 0 }, {}],
  [{ hypervisor: 'qemu-microvm' }, { hypervisor: 'qemu' }],
  [{ restart_policy: { policy: 'never' } }, { restartPolicy: 'Never' }],
])('%j means to the reference what %j means here', (body, spec) => {
  const { document } = converted({ name: 'a', image: 'nginx', ...body });
  expect(document.spec).toEqual({ image: 'nginx', ...spec });
  expect(problemsOf(document)).toEqual([]);
});

test('a rate that the reference reads in its own way is pointed out', () => {
  const { notes } = converted({ name: 'a', image: 'nginx', network: { bandwidth_upload: '125MBps' } });
  expect(notes).toMatch(/network\.bandwidth_upload was "125MBps", which the reference reads as 125Mbps/);
});

test('a rate that the reference refuses too is kept and pointed out', () => {
  const { document, notes } = converted({ name: 'a', image: 'nginx', disk_io_bps: '100Mb/s' });
  expect(document.spec).toMatchObject({ diskIoBps: '100Mb/s' });
  expect(notes).toMatch(/disk_io_bps cannot be read here: .*megabits or as 100 megabytes/);
});

test('a fork body becomes a fork of the instance that is named', () => {
  const { document, notes } = converted(
    { ...FORK_BODY, from_running: true, wait_for_network: true },
    'my-workload-1',
  );
  expect(document).toMatchObject({
    metadata: { name: 'my-workload-1-fork' },
    spec: { forkFrom: { instance: 'my-workload-1', fromRunning: true }, state: 'Running' },
  });
  expect(notes).toMatch(/wait_for_network is left out/);
  expect(problemsOf(document)).toEqual([]);
});

test.each<[string, unknown, RegExp]>([
  ['a fork of nothing', FORK_BODY, /does not name its source/],
  ['the body of an update', UPDATE_BODY, /image is missing.*edited in the Instance/],
  ['a body without a name', { image: 'nginx' }, /name is missing/],
  ['a list', [CREATE_BODY], /must be a JSON object/],
  ['nothing', null, /must be a JSON object/],
])('%s is refused', (_, body, message) => {
  const result = instanceFromReference(body);
  expect('problems' in result && result.problems.join()).toMatch(message);
});
