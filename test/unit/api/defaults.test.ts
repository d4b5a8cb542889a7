import { expect, test } from 'vitest';
import { openParser } from '../../../src/api/parser.ts';
import { instanceCrd } from '../../support/instance-crd.ts';

const strict = openParser(instanceCrd());
const lenient = openParser(instanceCrd(), { unsupported: [] });

function document(spec: unknown, metadata: unknown = { name: 'web' }): Record<string, unknown> {
  return { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', metadata, spec };
}

test('what is not said has its default', () => {
  expect(strict.instance(document({ image: 'nginx' }), { source: 'directory' })).toEqual({
    is: 'good',
    warnings: [],
    instance: {
      namespace: 'default',
      name: 'web',
      labels: {},
      annotations: {},
      spec: {
        image: 'nginx',
        imagePullSecrets: [],
        env: {},
        envFrom: [],
        credentials: {},
        vcpus: 2,
        memoryBytes: 1024 ** 3,
        hotplugBytes: 0,
        overlayBytes: 10 * 1024 ** 3,
        network: { enabled: true, egress: { enabled: false, mode: 'all' } },
        volumes: [],
        devices: [],
        skipGuestAgent: false,
        skipKernelHeaders: true,
        tags: {},
        state: 'Running',
        restartPolicy: 'OnFailure',
        updatePolicy: 'OnRestart',
        evictionPolicy: 'Stop',
      },
    },
  });
});

test('every word of a full spec arrives', () => {
  const parsed = lenient.instance(
    document(
      {
        image: 'docker.io/library/alpine:latest',
        imagePullSecrets: [{ name: 'team' }],
        entrypoint: ['/bin/sh', '-c'],
        cmd: ['echo hello'],
        env: { KEY: 'real' },
        envFrom: [{ secretRef: { name: 'a' } }, { fileRef: { path: 'b.env' } }],
        credentials: {
          KEY: {
            source: { env: 'KEY' },
            inject: [
              {
                hosts: ['API.example.com.', 'api.example.com', '*.example.com', '2001:DB8::0:1'],
                as: { header: 'Authorization', format: 'Bearer ${value}' },
                when: 'placeholder',
              },
            ],
          },
        },
        vcpus: 4,
        size: '2GB',
        hotplugSize: '1Gi',
        overlaySize: 1073741824,
        diskIoBps: '100MB/s',
        network: {
          bandwidthDownload: '1Gbps',
          bandwidthUpload: '1MB/s',
          egress: { enabled: true, enforcement: { mode: 'http_https_only' } },
        },
        hypervisor: 'firecracker',
        volumes: [
          { volume: 'v', mountPath: '/mnt//data/', readonly: true, overlay: true, overlaySize: '1GB' },
        ],
        devices: ['l4'],
        gpu: { profile: 'L40S-1Q' },
        skipGuestAgent: true,
        skipKernelHeaders: false,
        tags: { team: 'backend' },
        state: 'Standby',
        restartPolicy: 'Always',
        updatePolicy: 'Recreate',
        evictionPolicy: 'Standby',
        nodeName: 'node-1',
      },
      {
        name: 'web',
        namespace: 'prod',
        labels: { a: 'b' },
        annotations: { c: 'd' },
        uid: 'x',
        managedFields: [],
      },
    ),
    { source: 'directory' },
  );
  expect(parsed.is === 'good' && parsed.instance).toMatchObject({
    namespace: 'prod',
    labels: { a: 'b' },
    annotations: { c: 'd' },
  });
  expect(parsed.is === 'good' && parsed.instance.spec).toEqual({
    image: 'docker.io/library/alpine:latest',
    imagePullSecrets: ['team'],
    entrypoint: ['/bin/sh', '-c'],
    cmd: ['echo hello'],
    env: { KEY: expect.anything() as unknown },
    envFrom: [
      { from: 'secret', name: 'a', optional: false },
      { from: 'file', path: 'b.env' },
    ],
    credentials: {
      KEY: {
        sourceEnv: 'KEY',
        inject: [
          {
            hosts: ['api.example.com', '*.example.com', '2001:db8::1'],
            header: 'Authorization',
            format: 'Bearer ${value}',
            when: 'placeholder',
          },
        ],
      },
    },
    vcpus: 4,
    memoryBytes: 2 * 1024 ** 3,
    hotplugBytes: 1024 ** 3,
    overlayBytes: 1024 ** 3,
    diskBps: 100 * 1024 ** 2,
    network: {
      enabled: true,
      downloadBps: 125_000_000,
      uploadBps: 1024 ** 2,
      egress: { enabled: true, mode: 'http_https_only' },
    },
    hypervisor: 'firecracker',
    volumes: [
      { volume: 'v', mountPath: '/mnt/data', readonly: true, overlay: true, overlayBytes: 1024 ** 3 },
    ],
    devices: ['l4'],
    gpuProfile: 'L40S-1Q',
    skipGuestAgent: true,
    skipKernelHeaders: false,
    tags: { team: 'backend' },
    state: 'Standby',
    restartPolicy: 'Always',
    updatePolicy: 'Recreate',
    evictionPolicy: 'Standby',
  });
});

test('a fork is silent on what its document leaves out, and an empty list is a word', () => {
  const silentIn = (spec: object): readonly string[] => {
    const parsed = lenient.instance(document({ forkFrom: { instance: 'base' }, ...spec }), {
      source: 'directory',
    });
    if (parsed.is === 'bad') throw new Error(JSON.stringify(parsed.problems));
    return parsed.instance.spec.silent ?? [];
  };
  const nothingSaid = silentIn({});
  expect(nothingSaid).toContain('image');
  const spoken = (spec: object): readonly string[] =>
    nothingSaid.filter((field) => !silentIn(spec).includes(field));
  expect(spoken({ env: { A: 'b' }, envFrom: [], credentials: {} })).toEqual([]);
  expect(spoken({ cmd: [], volumes: [], tags: {} })).toEqual(['cmd', 'volumes', 'tags']);
  expect(spoken({ vcpus: 2, size: '1GB', state: 'Running' })).toEqual(['vcpus', 'memoryBytes', 'state']);
  expect(spoken({ network: { bandwidthUpload: '1MB/s', egress: { enabled: false } } })).toEqual([
    'network.uploadBps',
    'network.egress.enabled',
  ]);
});

test('an instance that is no fork is silent on nothing', () => {
  const parsed = strict.instance(document({ image: 'nginx' }), { source: 'directory' });
  expect(parsed.is === 'good' && 'silent' in parsed.instance.spec).toBe(false);
});
