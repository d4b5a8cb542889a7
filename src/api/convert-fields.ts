import { quantityFromReference } from './convert-rates.ts';
import type { QuantityKind } from './quantity-kind.ts';
import { isMapping, listOf, mappingOf, textAt, valueAt, type Mapping } from './raw.ts';

/** What one field of a reference body becomes: fields of the spec, and what a reader must know. */
export type Part = { readonly spec: Mapping; readonly notes: readonly string[] };

const SAME = ['image', 'entrypoint', 'cmd', 'env', 'credentials', 'devices', 'tags'];
const RENAMED: Readonly<Record<string, string>> = {
  skip_guest_agent: 'skipGuestAgent',
  skip_kernel_headers: 'skipKernelHeaders',
};
const QUANTITIES: Readonly<Record<string, readonly [string, QuantityKind]>> = {
  size: ['size', 'size'],
  hotplug_size: ['hotplugSize', 'size'],
  overlay_size: ['overlaySize', 'size'],
  disk_io_bps: ['diskIoBps', 'diskRate'],
};

const SEEN = 'left out: it is what the reference reports, not what was wanted';
const LEFT_OUT: Readonly<Record<string, string>> = {
  platform: 'left out: the image of the host’s own architecture is run',
  auto_standby: 'left out: there is no automatic standby; set state yourself',
  health_check: 'left out: there are no health checks; restartPolicy answers the end of the program',
  snapshot_policy: 'left out: snapshots are not compressed',
  ttl: 'left out: an instance lives as long as its declaration',
  expires_at: 'left out: an instance lives as long as its declaration',
  ...Object.fromEntries(
    [
      ...[
        'id',
        'created_at',
        'started_at',
        'stopped_at',
        'state',
        'state_error',
        'exit_code',
        'exit_message',
      ],
      ...['has_snapshot', 'current_phase', 'current_phase_since', 'phase_durations_ms', 'health_status'],
      ...['restart_status'],
    ].map((field) => [field, SEEN]),
  ),
};

/** The spec's part that one field of a create body becomes. `null` is not given, as in the reference. */
export function partFrom(field: string, value: unknown): Part {
  const convert = CONVERTERS.get(field) ?? (() => leftOut(field));
  return value === null || value === undefined ? NOTHING : convert(value);
}

/** The parts of a spec as one. */
export function joined(specs: readonly Mapping[]): Mapping {
  return Object.fromEntries(specs.flatMap((spec) => Object.entries(spec)));
}

const NOTHING: Part = { spec: {}, notes: [] };

const SPECIAL: Readonly<Record<string, (value: unknown) => Part>> = {
  vcpus: (value) =>
    value === 0
      ? {
          spec: {},
          notes: [
            'vcpus was 0, which the reference takes for its default of 2: left out, the default is 2 here',
          ],
        }
      : kept('vcpus', value),
  hypervisor: (value) =>
    value === 'qemu-microvm'
      ? { spec: { hypervisor: 'qemu' }, notes: ['hypervisor was qemu-microvm: written as qemu'] }
      : kept('hypervisor', value),
  network: networkPart,
  volumes: volumesPart,
  gpu: (value) => {
    const { profile, ...others } = mappingOf(value);
    return {
      spec: profile === undefined ? {} : { gpu: { profile } },
      notes: Object.keys(others).map((name) => leftOutNote(`gpu.${name}`)),
    };
  },
  restart_policy: restartPart,
};

const CONVERTERS: ReadonlyMap<string, (value: unknown) => Part> = new Map([
  ['name', () => NOTHING],
  ...SAME.map((field) => [field, (value: unknown) => kept(field, value)] as const),
  ...Object.entries(RENAMED).map(([field, name]) => [field, (value: unknown) => kept(name, value)] as const),
  ...Object.entries(QUANTITIES).map(
    ([field, target]) => [field, (value: unknown) => quantityPart(field, target, value)] as const,
  ),
  ...Object.entries(SPECIAL),
]);

function kept(name: string, value: unknown): Part {
  return { spec: { [name]: value }, notes: [] };
}

function quantityPart(field: string, [name, kind]: readonly [string, QuantityKind], value: unknown): Part {
  const { word, note } = quantityFromReference(kind, field, value);
  return { spec: { [name]: word }, notes: note === undefined ? [] : [note] };
}

function networkPart(value: unknown): Part {
  const { enabled, bandwidth_download: down, bandwidth_upload: up, egress, ...others } = mappingOf(value);
  const parts = [
    ...(down === undefined
      ? []
      : [quantityPart('network.bandwidth_download', ['bandwidthDownload', 'bandwidth'], down)]),
    ...(up === undefined
      ? []
      : [quantityPart('network.bandwidth_upload', ['bandwidthUpload', 'bandwidth'], up)]),
  ];
  const network = {
    ...(enabled === undefined ? {} : { enabled }),
    ...joined(parts.map(({ spec }) => spec)),
    ...(egress === undefined ? {} : { egress }),
  };
  return {
    spec: Object.keys(network).length === 0 ? {} : { network },
    notes: [
      ...parts.flatMap(({ notes }) => notes),
      ...Object.keys(others).map((name) => `network.${name} is ${SEEN}`),
    ],
  };
}

function volumesPart(value: unknown): Part {
  const volumes = listOf(value).map((one) => {
    const { volume_id: volume, mount_path: mountPath, overlay_size: overlaySize, ...others } = mappingOf(one);
    return { volume, mountPath, ...others, ...(overlaySize === undefined ? {} : { overlaySize }) };
  });
  if (volumes.length === 0) return { spec: {}, notes: [] };
  const names = volumes.map(({ volume }) => String(volume)).join(', ');
  return { spec: { volumes }, notes: [`volumes names ${names}: a Volume of each name must be declared`] };
}

const POLICIES: Readonly<Record<string, string>> = {
  never: 'Never',
  always: 'Always',
  on_failure: 'OnFailure',
};

function restartPart(value: unknown): Part {
  const word = typeof value === 'string' ? value : textAt(value, ['policy']);
  const policy = word === undefined ? undefined : POLICIES[word];
  const others = isMapping(value) ? Object.keys(value).filter((name) => name !== 'policy') : [];
  return {
    spec: policy === undefined ? {} : { restartPolicy: policy },
    notes: [
      ...(policy === undefined ? [leftOutNote('restart_policy')] : []),
      ...others.map(
        (name) => `restart_policy.${name} is left out: waits grow exponentially here, without an end`,
      ),
    ],
  };
}

function leftOut(field: string): Part {
  return { spec: {}, notes: [leftOutNote(field)] };
}

function leftOutNote(field: string): string {
  const known = Object.hasOwn(LEFT_OUT, field) ? LEFT_OUT[field] : undefined;
  return `${field} is ${known ?? 'left out: there is no such field here'}`;
}

/** What a converted spec still lacks before it is valid, or asks of the host. */
export function missingFrom(spec: Mapping): readonly string[] {
  const credentials = Object.entries(mappingOf(spec.credentials));
  const undefinedSources = credentials.flatMap(([name, credential]) => {
    const key = textAt(credential, ['source', 'env']);
    return key === undefined || valueAt(spec, ['env', key]) !== undefined ? [] : [{ name, key }];
  });
  const withoutEgress = credentials.length > 0 && valueAt(spec, ['network', 'egress', 'enabled']) !== true;
  const devices = listOf(spec.devices).map(String);
  return [
    ...undefinedSources.map(
      ({ name, key }) =>
        `to be added: credential ${name} takes its value from ${key}, which env does not define; define it in env, or in a Secret that envFrom names`,
    ),
    ...(withoutEgress ? ['to be added: credentials need network.egress.enabled: true'] : []),
    ...(devices.length === 0
      ? []
      : [`devices names hardware that the host must have: ${devices.join(', ')}`]),
    ...(spec.restartPolicy === undefined && spec.forkFrom === undefined
      ? [
          'restart_policy was not given: the reference then never restarts a program, here the default is OnFailure; add restartPolicy: Never to keep that',
        ]
      : []),
  ];
}
