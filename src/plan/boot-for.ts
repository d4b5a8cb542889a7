import type { InstanceSpec } from '../api/instance.ts';
import type { BootDescription } from '../machine/boot.ts';
import type { ImageConfig } from '../machine/image.ts';
import type { Fields } from '../machine/record.ts';
import { environmentFields } from './fields.ts';
import { PROXY_PORT } from '../machine/egress.ts';
import { heldPolicy, policyWanted } from './mediation.ts';
import { disguiseOf } from './policy-for.ts';
import type { ReadyWorld } from './ready-world.ts';
import { bootVolumes } from './volumes.ts';

/**
 * The program: entrypoint and cmd of the spec replace the image's independently of each other, as in the
 * reference system (docker and Kubernetes drop the image's cmd when an entrypoint is given).
 */
export function argvFor(spec: InstanceSpec, image: ImageConfig): readonly string[] {
  return [...(spec.entrypoint ?? image.entrypoint), ...(spec.cmd ?? image.cmd)];
}

/** What init is told, but for the values of the environment. */
export function bootFor(world: ReadyWorld): BootDescription {
  const { config } = world.image;
  const { spec, name } = world.desired.instance;
  const { id, ip, gateway, mac } = world.record.identity;
  const { withheld } = disguiseOf(world.desired.instance);
  return {
    id,
    hostname: name,
    argv: argvFor(spec, config),
    // The image may have a value of its own under the name of a credential's source: that is no less a secret.
    imageEnv: Object.fromEntries(Object.entries(config.env).filter(([key]) => !withheld.includes(key))),
    workdir: config.workdir,
    user: config.user,
    stopSignal: config.stopSignal,
    agent: !spec.skipGuestAgent,
    ...(spec.network.enabled ? { network: { ip, gateway, mac } } : {}),
    ...(spec.volumes.length === 0 ? {} : { volumes: bootVolumes(spec.volumes) }),
    ...egressFor(world),
  };
}

/** A start comes after the policy is in force, so that the CA is known by then. */
function egressFor(world: ReadyWorld): Pick<BootDescription, 'egress'> {
  const held = heldPolicy(world);
  if (policyWanted(world) === undefined || held === undefined) return {};
  const { gateway } = world.record.identity;
  const proxy = `http://${gateway}:${PROXY_PORT}`;
  return { egress: { proxy, noProxy: `localhost,127.0.0.1,::1,${gateway}`, authority: held.authority } };
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
