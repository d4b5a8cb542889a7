import { randomBytes } from 'node:crypto';
import { HypemanError } from './errors.ts';
import { openQemuDriver } from './drivers/qemu/driver.ts';
import type { Egress } from './egress/egress.ts';
import { openEgress } from './egress/open-egress.ts';
import { NOTHING_SAID } from './egress/outside.ts';
import type { Outside } from './egress/outside.ts';
import { cmdlineFor } from './guest/cmdline.ts';
import type { GuestLinks } from './guest/guest-links.ts';
import { findKernel } from './guest/kernel.ts';
import { openGuestLinks } from './guest/links.ts';
import { openMemoryCounts } from './guest/memory-counts.ts';
import type { MemoryCounts } from './guest/memory-counts.ts';
import { readBootId } from './host/processes.ts';
import { missingTools } from './host/tools.ts';
import { connectUnix } from './host/unix-socket.ts';
import type { ImageStore } from './images/image-store.ts';
import { openImageStore } from './images/open-image-store.ts';
import type { Logger } from './log.ts';
import { openHostFacts } from './look/host-facts.ts';
import type { Driver, Drivers } from './machine/driver.ts';
import { installationTag, instanceId } from './machine/ids.ts';
import type { InstanceId, VolumeKey } from './machine/ids.ts';
import type { Hypervisor } from './machine/machine.ts';
import { SHARED_GID } from './machine/owner.ts';
import type { Roots } from './machine/paths.ts';
import { openAddressPool } from './network/address-pool.ts';
import type { AddressPool, Network } from './network/network.ts';
import { openNetwork } from './network/open-network.ts';
import type { HostFacts } from './plan/world.ts';
import { openSnapshots } from './storage/open-snapshots.ts';
import type { Snapshots } from './storage/snapshots.ts';
import { openVolumes } from './storage/open-volumes.ts';
import type { VolumesOptions } from './storage/open-volumes.ts';
import type { Volumes } from './storage/volumes.ts';
import { openStorage } from './storage/open-storage.ts';
import type { Storage } from './storage/storage.ts';

export type WorkshopSettings = {
  readonly roots: Roots;
  readonly nodeName: string;
  readonly defaultHypervisor: Hypervisor;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly kernel?: { readonly path: string; readonly modules?: string };
  readonly subnet: string;
  readonly dns: readonly string[];
  readonly registryAuth?: string;
  /** What the egress proxy is told of the world behind it. */
  readonly outside?: Outside;
};

/** What wakes the queue. Each may ring at any rate. */
export type Bells = {
  readonly instance: (id: InstanceId) => void;
  readonly image: (reference: string) => void;
  readonly volume: (key: VolumeKey) => void;
  readonly network: () => void;
};

/** Every room that does something. A bench or a test replaces some of them. */
export type Workshops = {
  readonly roots: Roots;
  readonly tag: string;
  readonly storage: Storage;
  readonly snapshots: Snapshots;
  readonly volumes: Volumes;
  readonly images: ImageStore;
  readonly network: Network;
  readonly addresses: AddressPool;
  readonly egress: Omit<Egress, 'close' | 'end'>;
  readonly links: GuestLinks;
  readonly memoryCounts: MemoryCounts;
  readonly drivers: Drivers;
  readonly hostFacts: () => Promise<HostFacts>;
  close(): Promise<void>;
};

/** Opens every room on this host. The lock of the state directory is held already. */
export async function openWorkshops(
  settings: WorkshopSettings,
  bells: Bells,
  log: Logger,
): Promise<Workshops> {
  const { roots } = settings;
  const tag = installationTag(roots.state);
  const bootId = await readBootId();
  const driver = openDriver(settings, bootId, bells.instance);
  const drivers: Drivers = { qemu: driver };
  const storage = await openStorage({ roots });
  const addresses = openAddressPool({ subnet: settings.subnet });
  const images = await openImages(settings, bells);
  const volumes = await openVolumes({
    ...{ roots, ...recordsIn(storage) },
    unpackImage: (reference, to) => images.unpack(reference, to),
    onChange: bells.volume,
  });
  tellUnreadable(log, [...storage.problems(), ...volumes.problems()]);
  const links = openLinks(bells, log);
  const memoryCounts = openMemoryCounts({ links, onChange: bells.instance });
  const network = await openNetwork({
    subnet: settings.subnet,
    dns: settings.dns,
    tag,
    onForeignChange: bells.network,
  });
  const egress = await openEgress({
    ...{ roots, bootId, log },
    outside: settings.outside ?? NOTHING_SAID,
    onChange: (instance) => {
      bells.instance(instanceId(instance));
    },
  });
  const snapshots = openSnapshots({ roots, bootId });
  return {
    ...{ roots, tag, storage, snapshots, egress, images, network, addresses, links, drivers, volumes },
    memoryCounts,
    hostFacts: openFacts(settings, { drivers, snapshots }, bootId),
    close: async () => {
      memoryCounts.close();
      links.close();
      await Promise.all([volumes.close(), images.close(), network.close(), egress.close(), driver.close()]);
    },
  };
}

function openLinks({ instance }: Bells, log: Logger): GuestLinks {
  return openGuestLinks({
    connect: (path) => connectUnix(path),
    onChange: instance,
    log: (id, why) => {
      log.debug({ id, why }, 'guest connection ended');
    },
  });
}

function openImages({ roots, registryAuth }: WorkshopSettings, bells: Bells): Promise<ImageStore> {
  const authFile = registryAuth === undefined ? {} : { authFile: registryAuth };
  return openImageStore({ roots, sharedGid: SHARED_GID, onChange: bells.image, ...authFile });
}

function recordsIn(storage: Storage): Pick<VolumesOptions, 'records' | 'unread'> {
  return { records: () => storage.records(), unread: () => storage.problems() };
}

function tellUnreadable(
  log: Logger,
  problems: readonly { readonly directory: string; readonly message: string }[],
): void {
  for (const { directory, message } of problems) log.error({ directory, message }, 'record unreadable');
}

/** 32 random bytes in hex. */
export function newSalt(): string {
  return randomBytes(32).toString('hex');
}

/** The base of every boot archive, or why there is none. */
export async function baseInitrdOf(hostFacts: () => Promise<HostFacts>): Promise<string> {
  const { kernel } = await hostFacts();
  if (kernel.state === 'ready') return kernel.initrd;
  throw new HypemanError('transient', 'KernelMissing', kernel.problem);
}

/** The hypervisor as this host has it; also what `doctor` asks, without any other room. */
export function openDriver(
  settings: Pick<WorkshopSettings, 'roots' | 'accelerator' | 'kernel'>,
  bootId: string,
  onChange: (id: InstanceId) => void,
): Driver {
  return openQemuDriver({
    bootId,
    onChange,
    accelerator: settings.accelerator,
    sharedGid: SHARED_GID,
    acceleratorCache: `${settings.roots.state}/accelerator.json`,
    kernelPath: async () => {
      const kernel = await findKernel(kernelPlaceOf(settings));
      return kernel.state === 'ready' ? kernel.path : undefined;
    },
  });
}

function kernelPlaceOf({ roots, kernel }: Pick<WorkshopSettings, 'roots' | 'kernel'>): {
  readonly roots: Roots;
  readonly sharedGid: number;
  readonly given?: NonNullable<WorkshopSettings['kernel']>;
} {
  return { roots, sharedGid: SHARED_GID, ...(kernel === undefined ? {} : { given: kernel }) };
}

/** The facts of this host, as every look shares them. */
export function openFacts(
  settings: Pick<WorkshopSettings, 'roots' | 'nodeName' | 'defaultHypervisor' | 'kernel'>,
  { drivers, snapshots }: { readonly drivers: Drivers; readonly snapshots?: Snapshots },
  bootId: string,
): () => Promise<HostFacts> {
  const { roots, nodeName, defaultHypervisor } = settings;
  return openHostFacts({
    ...{ roots, nodeName, defaultHypervisor, drivers, bootId, missingTools },
    ...(snapshots === undefined ? {} : { cloneMethod: once(() => snapshots.cloneMethod()) }),
    watchingSince: Date.now(),
    now: Date.now,
    findKernel: async (accelerator = 'tcg') => {
      const kernel = await findKernel(kernelPlaceOf(settings));
      return kernel.state === 'ready' ? { ...kernel, cmdline: cmdlineFor(accelerator) } : kernel;
    },
  });
}

/** A file system does not learn to share blocks while it is mounted. */
function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => (found ??= find());
}
