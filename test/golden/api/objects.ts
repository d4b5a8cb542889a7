import { EGRESS_RULES } from './egress-objects.ts';
import { bad, badToUs, good, IMAGE, instance } from './object-case.ts';
import type { ObjectCase } from './object-case.ts';

/**
 * Good and bad Instances as data, judged by every rule there is, whether this version acts on it or not.
 * Our parser must agree with each row.
 */

const ORIGIN: readonly ObjectCase[] = [
  good('an image is all that is needed', {}),
  good('a digest', { image: `docker.io/library/nginx@sha256:${'a'.repeat(64)}` }),
  good('a registry with a port', { image: 'localhost:5000/team/app_x:v1' }),
  good('a local OCI layout', { image: 'oci:/srv/images/demo:latest' }),
  {
    title: 'a fork',
    document: instance({ forkFrom: { instance: 'base', fromRunning: true, credentials: 'None' } }),
    problems: [],
    server: 'accepts',
  },
  {
    title: 'a fork that has egress and the source of its credential from its source',
    document: instance({
      forkFrom: { instance: 'base' },
      credentials: {
        KEY: {
          source: { env: 'KEY' },
          inject: [{ hosts: ['api.example.com'], as: { header: 'X-Key', format: '${value}' } }],
        },
      },
    }),
    problems: [],
    server: 'accepts',
  },
  bad('a fork of itself', { image: undefined, forkFrom: { instance: 'web' } }, ['spec.forkFrom.instance']),
  bad('both image and forkFrom', { forkFrom: { instance: 'base' } }, ['spec.forkFrom']),
  {
    title: 'neither image nor forkFrom',
    document: instance({}),
    problems: ['spec.image'],
    server: 'refuses',
  },
  bad('an image with a scheme', { image: 'https://docker.io/library/nginx' }, ['spec.image']),
  bad('an image in capitals', { image: 'docker.io/Library/Nginx' }, ['spec.image']),
  bad('a fork of nothing', { image: undefined, forkFrom: {} }, ['spec.forkFrom.instance']),
];

const NAMES: readonly ObjectCase[] = ['Web', 'my_app', '-web', 'web-', 'a.b', 'a'.repeat(64)].map((name) => ({
  title: `the name ${name}`,
  document: instance({ image: IMAGE }, { name }),
  problems: ['metadata.name'],
  server: 'refuses',
}));

const FIELDS: readonly ObjectCase[] = [
  badToUs('a field nobody knows', { vpcus: 4 }, ['spec.vpcus']),
  badToUs('a field of the reference system', { hotplug_size: '1GB' }, ['spec.hotplug_size']),
  bad('a number as text', { vcpus: '2' }, ['spec.vcpus']),
  bad('no virtual CPU', { vcpus: 0 }, ['spec.vcpus']),
  bad('half a virtual CPU', { vcpus: 1.5 }, ['spec.vcpus']),
  bad('a state in small letters', { state: 'running' }, ['spec.state']),
  bad('a restart policy that does not exist', { restartPolicy: 'Sometimes' }, ['spec.restartPolicy']),
  bad('a hypervisor that does not exist', { hypervisor: 'xen' }, ['spec.hypervisor']),
  bad('a command line as one text', { cmd: 'nginx -g daemon' }, ['spec.cmd']),
  badToUs('a NUL in a word', { cmd: ['a\0b'] }, ['spec.cmd[0]']),
  bad('a device twice', { devices: ['gpu0', 'gpu0'] }, ['spec.devices[1]']),
  bad('a tag with an odd character', { tags: { team: 'a|b' } }, ['spec.tags.team']),
  badToUs('a tag with an odd key', { tags: { 'a|b': 'x' } }, ['spec.tags["a|b"]']),
  good('placement', {
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }],
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
    priorityClassName: 'important',
    schedulerName: 'second',
  }),
  bad('a priority class without a name', { priorityClassName: '' }, ['spec.priorityClassName']),
];

const QUANTITIES: readonly ObjectCase[] = [
  good('sizes in every grammar', {
    size: '2GB',
    overlaySize: '20Gi',
    hotplugSize: 1073741824,
    diskIoBps: '100MB/s',
  }),
  good('bandwidth in bits and in bytes', {
    network: { bandwidthDownload: '1Gbps', bandwidthUpload: '125MB/s' },
  }),
  bad('a size in bits', { size: '10Gb' }, ['spec.size']),
  bad('an ambiguous bandwidth', { network: { bandwidthUpload: '125MBps' } }, [
    'spec.network.bandwidthUpload',
  ]),
  bad('another ambiguous bandwidth', { network: { bandwidthDownload: '1Gb/s' } }, [
    'spec.network.bandwidthDownload',
  ]),
  bad('a rate for a size', { overlaySize: '100MB/s' }, ['spec.overlaySize']),
  bad('a size of another kind', { size: true }, ['spec.size']),
  badToUs('too little memory', { size: '1MB' }, ['spec.size']),
  badToUs('too much memory', { size: '1PB' }, ['spec.size']),
  badToUs('memory that is no whole MiB', { size: 1_000_000_000 }, ['spec.size']),
];

const ENVIRONMENT: readonly ObjectCase[] = [
  good('variables, Secrets, and both', {
    env: { PORT: '3000', 'my.key-1': '' },
    envFrom: [{ secretRef: { name: 'app', optional: true } }],
  }),
  bad('a variable that YAML reads as a number', { env: { PORT: 3000 } }, ['spec.env.PORT']),
  bad('a variable that YAML reads as a boolean', { env: { DEBUG: true } }, ['spec.env.DEBUG']),
  badToUs('a variable with a bad name', { env: { 'A=B': 'x' } }, ['spec.env["A=B"]']),
  bad('an envFrom with both', { envFrom: [{ secretRef: { name: 'a' }, fileRef: { path: 'b' } }] }, [
    'spec.envFrom[0]',
    'spec.envFrom[0].fileRef',
  ]),
  bad('an envFrom with neither', { envFrom: [{}] }, ['spec.envFrom[0]']),
  badToUs('a file of the node', { envFrom: [{ fileRef: { path: '/etc/shadow' } }] }, [
    'spec.envFrom[0].fileRef',
  ]),
];

const DATA = { volume: 'data', mountPath: '/mnt/data' };

const VOLUMES: readonly ObjectCase[] = [
  good('volumes', {
    volumes: [
      DATA,
      { ...DATA, volume: 'more', mountPath: '/srv', readonly: true, overlay: true, overlaySize: '1GB' },
    ],
  }),
  bad('an overlay over a writable volume', { volumes: [{ ...DATA, overlay: true, overlaySize: '1GB' }] }, [
    'spec.volumes[0].overlay',
  ]),
  bad('an overlay without a size', { volumes: [{ ...DATA, readonly: true, overlay: true }] }, [
    'spec.volumes[0].overlaySize',
  ]),
  bad('a size without an overlay', { volumes: [{ ...DATA, overlaySize: '1GB' }] }, [
    'spec.volumes[0].overlaySize',
  ]),
  bad('a relative mount path', { volumes: [{ ...DATA, mountPath: 'data' }] }, ['spec.volumes[0].mountPath']),
  ...['/', '/etc', '/usr/share/x', '/srv/../proc'].map((mountPath) =>
    badToUs(`a mount over ${mountPath}`, { volumes: [{ ...DATA, mountPath }] }, [
      'spec.volumes[0].mountPath',
    ]),
  ),
  bad('one path twice', { volumes: [DATA, { ...DATA, volume: 'more' }] }, ['spec.volumes[1].mountPath']),
  badToUs('one path in two spellings', { volumes: [DATA, { volume: 'more', mountPath: '/mnt//data/' }] }, [
    'spec.volumes[1].mountPath',
  ]),
  bad('one volume twice', { volumes: [DATA, { ...DATA, mountPath: '/srv' }] }, ['spec.volumes[1].volume']),
  badToUs(
    'more devices than fit',
    {
      volumes: Array.from({ length: 12 }, (_, at) => ({
        ...{ volume: `v${at}`, mountPath: `/mnt/${at}` },
        ...{ readonly: true, overlay: true, overlaySize: '1GB' },
      })),
    },
    ['spec.volumes'],
  ),
];

const SEVERAL: readonly ObjectCase[] = [
  bad(
    'everything that is wrong is told at once',
    { vcpus: 0, size: '10Gb', env: { PORT: 1 }, colour: 'red', state: 'On' },
    ['spec.colour', 'spec.env.PORT', 'spec.size', 'spec.state', 'spec.vcpus'],
  ),
];

export const OBJECTS: readonly ObjectCase[] = [
  ...ORIGIN,
  ...NAMES,
  ...FIELDS,
  ...QUANTITIES,
  ...ENVIRONMENT,
  ...EGRESS_RULES,
  ...VOLUMES,
  ...SEVERAL,
];
