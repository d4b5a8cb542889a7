import { changeEffectOf } from '../api/change-effects.ts';
import type { InstanceSpec } from '../api/instance.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { Fields } from '../machine/record.ts';
import type { MountText } from './volumes.ts';

/** `env.PORT`: the path of one variable of the environment, wherever its value came from. */
export const ENV_FIELD_PREFIX = 'env.';
export const NETWORK_FIELD = 'network.enabled';
/** There only when it is true: a record from before there was mediation does not differ by it. */
export const EGRESS_FIELD = 'network.egress.enabled';
export const FORK_FIELD = 'forkFrom.instance';

/**
 * Every field of a spec that reaches a guest at its start, each in one canonical text. `environment` is
 * keyed by variable name. `hypervisor` is the one meant: that a host's default moves is not an edit.
 */
export function fieldsOf(spec: InstanceSpec, environment: Fields, hypervisor: Hypervisor): Fields {
  const fields: Record<string, string> = {
    vcpus: String(spec.vcpus),
    size: String(spec.memoryBytes),
    hotplugSize: String(spec.hotplugBytes),
    overlaySize: String(spec.overlayBytes),
    [NETWORK_FIELD]: String(spec.network.enabled),
    hypervisor,
    volumes: JSON.stringify(spec.volumes.map(volumeText)),
    devices: JSON.stringify(spec.devices),
    skipGuestAgent: String(spec.skipGuestAgent),
    skipKernelHeaders: String(spec.skipKernelHeaders),
    ...environmentFields(environment),
  };
  for (const [path, value] of optionalFields(spec)) if (value !== undefined) fields[path] = value;
  return fields;
}

export function environmentFields(environment: Fields): Fields {
  return Object.fromEntries(
    Object.entries(environment).map(([name, digest]) => [`${ENV_FIELD_PREFIX}${name}`, digest]),
  );
}

/**
 * The paths of the edits that a running guest does not have yet, sorted. Live fields never pend, but for
 * mediation, of which a guest gets the proxy variables at its start.
 */
export function pendingFields(applied: Fields, wanted: Fields): readonly string[] {
  const paths = new Set([...Object.keys(applied), ...Object.keys(wanted)]);
  return [...paths]
    .filter((path) => applied[path] !== wanted[path])
    .filter((path) => path === EGRESS_FIELD || changeEffectOf(path) !== 'live')
    .sort();
}

function optionalFields(spec: InstanceSpec): readonly (readonly [string, string | undefined])[] {
  return [
    ['image', spec.image],
    [EGRESS_FIELD, spec.network.enabled && spec.network.egress.enabled ? 'true' : undefined],
    [FORK_FIELD, spec.forkFrom?.instance],
    ['entrypoint', spec.entrypoint && JSON.stringify(spec.entrypoint)],
    ['cmd', spec.cmd && JSON.stringify(spec.cmd)],
    ['diskIoBps', spec.diskBps?.toString()],
    ['gpu.profile', spec.gpuProfile],
  ];
}

/** The order of keys is fixed here, so that it cannot tell two equal mounts apart. */
function volumeText(mount: InstanceSpec['volumes'][number]): MountText {
  return [mount.volume, mount.mountPath, mount.readonly, mount.overlay, mount.overlayBytes ?? null];
}
