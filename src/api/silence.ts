import type { DeclaredSpec } from './declared-spec.ts';
import type { SilentField } from './instance.ts';

/** Where a document speaks of what a fork may leave to its source. */
const SAID: Readonly<Record<SilentField, (spec: DeclaredSpec) => unknown>> = {
  image: ({ image }) => image,
  entrypoint: ({ entrypoint }) => entrypoint,
  cmd: ({ cmd }) => cmd,
  vcpus: ({ vcpus }) => vcpus,
  memoryBytes: ({ size }) => size,
  hotplugBytes: ({ hotplugSize }) => hotplugSize,
  overlayBytes: ({ overlaySize }) => overlaySize,
  diskBps: ({ diskIoBps }) => diskIoBps,
  'network.enabled': ({ network }) => network?.enabled,
  'network.downloadBps': ({ network }) => network?.bandwidthDownload,
  'network.uploadBps': ({ network }) => network?.bandwidthUpload,
  'network.egress.enabled': ({ network }) => network?.egress?.enabled,
  'network.egress.mode': ({ network }) => network?.egress?.enforcement?.mode,
  hypervisor: ({ hypervisor }) => hypervisor,
  volumes: ({ volumes }) => volumes,
  devices: ({ devices }) => devices,
  gpuProfile: ({ gpu }) => gpu?.profile,
  skipGuestAgent: ({ skipGuestAgent }) => skipGuestAgent,
  skipKernelHeaders: ({ skipKernelHeaders }) => skipKernelHeaders,
  tags: ({ tags }) => tags,
  state: ({ state }) => state,
  restartPolicy: ({ restartPolicy }) => restartPolicy,
  updatePolicy: ({ updatePolicy }) => updatePolicy,
  evictionPolicy: ({ evictionPolicy }) => evictionPolicy,
};

/** What a document says nothing of. An empty list, map or text says something. */
export function silentIn(spec: DeclaredSpec): readonly SilentField[] {
  return FIELDS.filter((field) => SAID[field](spec) === undefined);
}

/* eslint-disable-next-line @typescript-eslint/no-unsafe-type-assertion -- Object.keys forgets what the table knows */
const FIELDS = Object.keys(SAID) as SilentField[];
