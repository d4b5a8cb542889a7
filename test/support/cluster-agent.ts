import { createId } from '@paralleldrive/cuid2';
import { appendFile, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { lateBells, openController } from '../../src/controller.ts';
import type { Controller } from '../../src/controller.ts';
import { openLog } from '../../src/log.ts';
import { installationTag, instanceId } from '../../src/machine/ids.ts';
import { pathsFor } from '../../src/machine/paths.ts';
import type { Roots } from '../../src/machine/paths.ts';
import { openAddressPool } from '../../src/network/address-pool.ts';
import { openSnapshots } from '../../src/storage/open-snapshots.ts';
import { openStorage } from '../../src/storage/open-storage.ts';
import { openVolumes } from '../../src/storage/open-volumes.ts';
import type { Workshops } from '../../src/workshops.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { listen, NODE } from './cluster-stage.ts';
import type { Listening } from './cluster-stage.ts';
import { openFakeHost } from './fake-guest.ts';
import { fakeEgress, fakeHostFacts, fakeImages, fakeNetwork } from './fake-workshops.ts';

/** A node: a hypervisor and a state directory that outlive its agents. */
export type FakeNode = {
  readonly workshops: Workshops;
  readonly ring: ReturnType<typeof lateBells>;
  close(): Promise<void>;
};

export async function openFakeNode(): Promise<FakeNode> {
  const base = await mkdtemp(`${tmpdir()}/hm-node-`);
  const roots = { state: `${base}/state`, run: `${base}/run` };
  const ring = lateBells();
  const host = openFakeHost({ onMachine: ring.bells.instance, onGuest: ring.bells.instance });
  return {
    workshops: await fakeWorkshops(roots, host),
    ring,
    close: async () => {
      await host.close();
      await rm(base, { recursive: true });
    },
  };
}

async function fakeWorkshops(roots: Roots, host: ReturnType<typeof openFakeHost>): Promise<Workshops> {
  const storage = await openStorage({ roots });
  return {
    roots,
    tag: installationTag(roots.state),
    storage: {
      ...storage,
      createOverlay: async (id, bytes) => {
        const { overlay } = pathsFor(roots, id);
        await appendFile(overlay, '');
        await truncate(overlay, bytes);
      },
    },
    volumes: await openVolumes({ roots, records: () => storage.records() }),
    snapshots: openSnapshots({ roots, bootId: 'fake-boot' }),
    images: fakeImages(),
    network: fakeNetwork(),
    egress: fakeEgress(),
    addresses: openAddressPool({ subnet: '10.100.0.0/16' }),
    links: host.links,
    drivers: { qemu: host.driver },
    hostFacts: () => Promise.resolve({ ...fakeHostFacts(roots), nodeName: NODE }),
    close: () => Promise.resolve(),
  };
}

/** The controller of a node, on a real API server. */
export type FakeAgent = Listening & { readonly controller: Controller };

export async function startFakeAgent(
  plane: ControlPlane,
  { workshops, ring }: FakeNode,
  options: Parameters<typeof listen>[1] = {},
): Promise<FakeAgent> {
  const onHost = (): ReturnType<typeof listening.source.keys> =>
    workshops.storage.records().map(({ key }) => key);
  const listening: Listening = await listen(plane, { onHost, ...options });
  const controller = openController(
    { workshops, source: listening.source, ring },
    { concurrency: 16, newId: () => instanceId(createId()) },
    openLog('silent'),
  );
  await controller.start();
  return {
    ...listening,
    controller,
    close: async () => {
      await controller.close(1_000);
      await listening.close();
    },
  };
}
