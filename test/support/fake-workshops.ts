import { appendFile, truncate } from 'node:fs/promises';
import type { Egress, InForce } from '../../src/egress/egress.ts';
import type { ImageStore } from '../../src/images/image-store.ts';
import { installationTag } from '../../src/machine/ids.ts';
import { openMemoryCounts } from '../../src/guest/memory-counts.ts';
import type { InstanceId } from '../../src/machine/ids.ts';
import type { NetworkState } from '../../src/machine/network.ts';
import { pathsFor } from '../../src/machine/paths.ts';
import type { Roots } from '../../src/machine/paths.ts';
import { openAddressPool } from '../../src/network/address-pool.ts';
import type { Network } from '../../src/network/network.ts';
import type { HostFacts } from '../../src/plan/world.ts';
import { openSnapshots } from '../../src/storage/open-snapshots.ts';
import { openStorage } from '../../src/storage/open-storage.ts';
import { openVolumes } from '../../src/storage/open-volumes.ts';
import type { Workshops } from '../../src/workshops.ts';
import { openFakeHost } from './fake-guest.ts';

export type FakeWorkshopsOptions = {
  readonly roots: Roots;
  readonly nodeName: string;
  /** Something may have changed with a machine or its guest. */
  readonly onChange: (id: InstanceId) => void;
};

/** Real records, volumes and snapshots; a fake hypervisor, image store, network and proxy. */
export async function openFakeWorkshops({
  roots,
  nodeName,
  onChange,
}: FakeWorkshopsOptions): Promise<Workshops> {
  const host = openFakeHost({ onMachine: onChange, onGuest: onChange });
  const storage = await openStorage({ roots });
  return {
    roots,
    tag: installationTag(roots.state),
    // An empty filesystem for each of 10,000 is mkfs's time, not ours.
    storage: {
      ...storage,
      createOverlay: async (id, bytes) => {
        const { overlay } = pathsFor(roots, id);
        await appendFile(overlay, '');
        await truncate(overlay, bytes);
      },
    },
    volumes: await openVolumes({
      ...{ roots, records: () => storage.records() },
      unpackImage: () => Promise.reject(new Error('there are no images')),
    }),
    snapshots: openSnapshots({ roots, bootId: BOOT_ID }),
    images: fakeImages(),
    network: fakeNetwork(),
    egress: fakeEgress(),
    addresses: openAddressPool({ subnet: '10.100.0.0/16' }),
    links: host.links,
    memoryCounts: openMemoryCounts({ links: host.links, onChange }),
    drivers: { qemu: host.driver },
    hostFacts: () => Promise.resolve(fakeHostFacts(roots, nodeName)),
    close: () => host.close(),
  };
}

const BOOT_ID = 'fake-boot';

/** A registry that has everything, at once. */
function fakeImages(): ImageStore {
  return {
    look: () =>
      Promise.resolve({
        state: 'ready',
        digest: `sha256:${'0'.repeat(64)}`,
        rootDisk: '/dev/null',
        config: { entrypoint: ['/bin/true'], cmd: [], env: {}, workdir: '/', user: '', stopSignal: '' },
      }),
    pull: () => undefined,
    unpack: () => Promise.reject(new Error('nothing of these images can be unpacked')),
    collect: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
}

/** A network made of sets. */
function fakeNetwork(): Network {
  type Known = Pick<NetworkState, 'guard' | 'shaping'>;
  const taps = new Map<string, Known>();
  const change = (tap: string, change: Partial<Known>): Promise<void> => {
    taps.set(tap, { guard: { state: 'open' }, shaping: {}, ...taps.get(tap), ...change });
    return Promise.resolve();
  };
  return {
    look: ({ tap }) => {
      const known = taps.get(tap);
      return Promise.resolve({
        tap: known === undefined ? { state: 'absent' } : { state: 'up', name: tap },
        guard: known?.guard ?? { state: 'open' },
        shaping: known?.shaping ?? {},
      });
    },
    createTap: ({ tap }) => change(tap, {}),
    guardTap: ({ tap }, mediation) =>
      change(tap, { guard: { state: 'guarded', ...(mediation === undefined ? {} : { mediation }) } }),
    shapeTap: ({ tap }, shaping) => change(tap, { shaping }),
    remove: ({ tap }) => {
      taps.delete(tap);
      return Promise.resolve();
    },
    collect: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
}

/** A proxy that takes every policy at once and carries nothing. */
export function fakeEgress(certificate = ''): Omit<Egress, 'close' | 'end'> {
  const policies = new Map<string, InForce>();
  return {
    put: ({ instance, key, generation }, revision) => {
      const ports = { explicit: 40_001, tls: 40_002, http: 40_003, dns: 40_004 };
      const inForce = { instance, key, generation, revision, ports, certificate, lacking: [] };
      policies.set(instance, inForce);
      return Promise.resolve(inForce);
    },
    remove: (instance) => {
      policies.delete(instance);
      return Promise.resolve();
    },
    inForce: (instance) => policies.get(instance),
    known: () => Promise.resolve([...policies.keys()]),
    problem: () => undefined,
    counters: () => Promise.resolve([]),
    decisions: async function* () {
      // Nothing is carried, so nothing is decided.
    },
  };
}

/** A host in perfect order. */
function fakeHostFacts(roots: Roots, nodeName: string): HostFacts {
  return {
    roots,
    bootId: BOOT_ID,
    nodeName,
    watchingSince: 0,
    defaultHypervisor: 'qemu',
    drivers: { qemu: { version: '7.2.0', accelerator: 'tcg' } },
    kernel: { state: 'ready', version: 'fake', path: '/dev/null', initrd: '/dev/null', cmdline: '' },
    missingTools: [],
  };
}
