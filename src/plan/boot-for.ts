import type { InstanceSpec } from '../api/instance.ts';
import type { BootDescription } from '../machine/boot.ts';
import type { ImageConfig } from '../machine/image.ts';
import type { Fields } from '../machine/record.ts';
import { environmentFields } from './fields.ts';
import type { ReadyWorld } from './ready-world.ts';

/**
 * The program: entrypoint and cmd of the spec replace the image's independently of each other, as in the
 * reference system (docker and Kubernetes drop the image's cmd when an entrypoint is given).
 */
export function argvFor(spec: InstanceSpec, image: ImageConfig): readonly string[] {
  return [...(spec.entrypoint ?? image.entrypoint), ...(spec.cmd ?? image.cmd)];
}

/** What init is told, but for the values of the environment. */
export function bootFor({ record, desired, image: { config } }: ReadyWorld): BootDescription {
  const { spec, name } = desired.instance;
  const { id, ip, gateway, mac } = record.identity;
  return {
    id,
    hostname: name,
    argv: argvFor(spec, config),
    imageEnv: config.env,
    workdir: config.workdir,
    user: config.user,
    stopSignal: config.stopSignal,
    agent: !spec.skipGuestAgent,
    ...(spec.network.enabled ? { network: { ip, gateway, mac } } : {}),
  };
}

/** What a boot archive is made from: equal fields, equal archive. The base in it belongs to the kernel. */
export function bootFieldsOf(world: ReadyWorld): Fields {
  const { kernel } = world.host;
  return {
    kernel: kernel.version,
    base: kernel.initrd,
    boot: JSON.stringify(bootFor(world)),
    ...environmentFields(world.desired.environment.digests),
  };
}
