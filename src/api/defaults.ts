import { Secret } from '../secrets/secret.ts';
import type {
  DeclaredCredential,
  DeclaredEnvFrom,
  DeclaredSpec,
  DeclaredVolume,
  QuantityWord,
} from './declared-spec.ts';
import { parseHost } from './hosts.ts';
import type { Credential, EnvFrom, InstanceSpec, NetworkSpec, VolumeMount } from './instance.ts';
import type { QuantityKind } from './quantity-kind.ts';
import { parseQuantity } from './quantity.ts';
import { silentIn } from './silence.ts';
import { cleanMountPath } from './volume-rules.ts';

/** What holds where the user said nothing; the CRD's descriptions tell the same. */
export const DEFAULTS = {
  vcpus: 2,
  size: '1GB',
  overlaySize: '10GB',
  state: 'Running',
  restartPolicy: 'OnFailure',
  updatePolicy: 'OnRestart',
  evictionPolicy: 'Stop',
  mode: 'all',
  when: 'always',
  skipKernelHeaders: true,
} as const;

/**
 * The spec that the rest of the program works with, from a text that schema and rules have accepted. What a fork
 * leaves to its source has its default here too, and is `silent`.
 */
export function specOf(declared: DeclaredSpec): InstanceSpec {
  return {
    ...originOf(declared),
    imagePullSecrets: (declared.imagePullSecrets ?? []).map(({ name }) => name),
    ...programOf(declared),
    ...sizesOf(declared),
    credentials: mapped(declared.credentials, credentialOf),
    network: networkOf(declared.network ?? {}),
    ...(declared.hypervisor === undefined ? {} : { hypervisor: declared.hypervisor }),
    volumes: (declared.volumes ?? []).map(volumeOf),
    devices: declared.devices ?? [],
    ...(declared.gpu?.profile === undefined ? {} : { gpuProfile: declared.gpu.profile }),
    ...policiesOf(declared),
    ...(declared.forkFrom === undefined ? {} : { silent: silentIn(declared) }),
  };
}

function programOf({
  entrypoint,
  cmd,
  env,
  envFrom = [],
}: DeclaredSpec): Pick<InstanceSpec, 'entrypoint' | 'cmd' | 'env' | 'envFrom'> {
  return {
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
    env: mapped(env, (value) => new Secret(value)),
    envFrom: envFrom.flatMap(envFromOf),
  };
}

type Sizes = Pick<InstanceSpec, 'vcpus' | 'memoryBytes' | 'hotplugBytes' | 'overlayBytes' | 'diskBps'>;

function sizesOf(declared: DeclaredSpec): Sizes {
  const { vcpus = DEFAULTS.vcpus, size = DEFAULTS.size, hotplugSize = 0, diskIoBps } = declared;
  return {
    vcpus,
    memoryBytes: bytesOf('size', size),
    hotplugBytes: bytesOf('size', hotplugSize),
    overlayBytes: bytesOf('size', declared.overlaySize ?? DEFAULTS.overlaySize),
    ...(diskIoBps === undefined ? {} : { diskBps: bytesOf('diskRate', diskIoBps) }),
  };
}

type Policies = Pick<
  InstanceSpec,
  | 'skipGuestAgent'
  | 'skipKernelHeaders'
  | 'tags'
  | 'state'
  | 'restartPolicy'
  | 'updatePolicy'
  | 'evictionPolicy'
>;

function policiesOf(declared: DeclaredSpec): Policies {
  return {
    skipGuestAgent: declared.skipGuestAgent ?? false,
    skipKernelHeaders: declared.skipKernelHeaders ?? DEFAULTS.skipKernelHeaders,
    tags: declared.tags ?? {},
    state: declared.state ?? DEFAULTS.state,
    restartPolicy: declared.restartPolicy ?? DEFAULTS.restartPolicy,
    updatePolicy: declared.updatePolicy ?? DEFAULTS.updatePolicy,
    evictionPolicy: declared.evictionPolicy ?? DEFAULTS.evictionPolicy,
  };
}

function originOf({ image, forkFrom }: DeclaredSpec): Pick<InstanceSpec, 'image' | 'forkFrom'> {
  if (forkFrom === undefined) return image === undefined ? {} : { image };
  const { instance, fromRunning = false, credentials = 'Inherit' } = forkFrom;
  return { forkFrom: { instance, fromRunning, credentials } };
}

function networkOf(network: NonNullable<DeclaredSpec['network']>): NetworkSpec {
  const { enabled = true, bandwidthDownload: down, bandwidthUpload: up, egress } = network;
  return {
    enabled,
    ...(down === undefined ? {} : { downloadBps: bytesOf('bandwidth', down) }),
    ...(up === undefined ? {} : { uploadBps: bytesOf('bandwidth', up) }),
    egress: { enabled: egress?.enabled ?? false, mode: egress?.enforcement?.mode ?? DEFAULTS.mode },
  };
}

function envFromOf({ secretRef, fileRef }: DeclaredEnvFrom): readonly EnvFrom[] {
  if (secretRef !== undefined) {
    return [{ from: 'secret', name: secretRef.name, optional: secretRef.optional ?? false }];
  }
  return fileRef === undefined ? [] : [{ from: 'file', path: fileRef.path }];
}

function credentialOf({ source, inject }: DeclaredCredential): Credential {
  return {
    sourceEnv: source.env,
    inject: inject.map(({ hosts = [], as, when = DEFAULTS.when }) => ({
      hosts: [...new Set(hosts.map(parseHost).flatMap((host) => (host.is === 'host' ? [host.pattern] : [])))],
      header: as.header,
      format: as.format,
      when,
    })),
  };
}

function volumeOf({ overlaySize, mountPath, ...volume }: DeclaredVolume): VolumeMount {
  return {
    volume: volume.volume,
    mountPath: cleanMountPath(mountPath),
    readonly: volume.readonly ?? false,
    overlay: volume.overlay ?? false,
    ...(overlaySize === undefined ? {} : { overlayBytes: bytesOf('size', overlaySize) }),
  };
}

/** The rules have read the same text before: what is wrong with it never comes here. */
function bytesOf(kind: QuantityKind, word: QuantityWord): number {
  const quantity = parseQuantity(kind, word);
  return quantity.is === 'bytes' ? quantity.bytes : 0;
}

function mapped<From, To>(
  map: Readonly<Record<string, From>> | undefined,
  change: (value: From) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([key, value]) => [key, change(value)]));
}
