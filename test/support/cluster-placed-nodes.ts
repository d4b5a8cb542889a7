import type { InstanceId } from '../../src/machine/ids.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { shapeOf } from '../../src/machine/snapshot.ts';
import type { SnapshotManifest } from '../../src/machine/snapshot.ts';
import { openFakeNode, startFakeAgent } from './cluster-agent.ts';
import type { FakeAgent, FakeNode } from './cluster-agent.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { must } from './cluster-stage.ts';

/** A Node of the cluster, a fake host behind it, and its agent with no more rights than the manifests give. */
export type PlacedNode = {
  readonly name: string;
  readonly node: FakeNode;
  agent: FakeAgent;
  /** Another agent in the place of the first, which is gone. */
  replaceAgent(options?: Parameters<typeof startFakeAgent>[2]): Promise<void>;
  /** `namespace/name` of what the host has something of. */
  keys(): readonly string[];
  close(): Promise<void>;
};

let nodes = 0;

/** `standby`: its hypervisor can keep the memory of a machine. */
export async function joinNode(
  plane: ControlPlane,
  { standby = true, ...options }: { standby?: boolean } & Parameters<typeof startFakeAgent>[2] = {},
): Promise<PlacedNode> {
  nodes += 1;
  const name = `node-${nodes}`;
  await must(plane.admin, { method: 'POST', path: '/api/v1/nodes', body: { metadata: { name } } });
  const node = standby ? withStandby(await openFakeNode()) : await openFakeNode();
  const start = (more: Parameters<typeof startFakeAgent>[2] = {}): Promise<FakeAgent> =>
    startFakeAgent(plane, node, { nodeName: name, user: 'agent', elsewhereMs: 200, ...options, ...more });
  const joined: PlacedNode = {
    name,
    node,
    agent: await start(),
    replaceAgent: async (more) => {
      await joined.agent.close();
      joined.agent = await start(more);
    },
    keys: () => node.workshops.storage.records().map(({ key }) => key),
    close: async () => {
      await joined.agent.close();
      await node.close();
    },
  };
  return joined;
}

/** Its memories are the fake driver's; what lies on disk of them is told by this Map. */
export function withStandby({ workshops, ...node }: FakeNode): FakeNode {
  const { qemu } = workshops.drivers;
  if (qemu?.memory === undefined) throw new Error('the fake driver keeps memories');
  const { memory } = qemu;
  const standbys = new Map<InstanceId, SnapshotManifest>();
  return {
    ...node,
    workshops: {
      ...workshops,
      drivers: {
        qemu: {
          ...qemu,
          memory: {
            ...memory,
            suspend: async (machine, signal) => {
              await memory.suspend(machine, signal);
              standbys.set(machine.id, manifestOf(machine));
            },
            restore: async (machine, from, signal) => {
              await memory.restore(machine, from, signal);
              standbys.delete(machine.id);
            },
          },
        },
      },
      snapshots: {
        ...workshops.snapshots,
        standby: (id) => {
          const manifest = standbys.get(id);
          return Promise.resolve(
            manifest === undefined ? { state: 'absent' } : { state: 'ready', manifest, isSettled: true },
          );
        },
        discardStandby: (id) => {
          standbys.delete(id);
          return Promise.resolve();
        },
      },
      hostFacts: async () => {
        const facts = await workshops.hostFacts();
        return { ...facts, drivers: { qemu: { ...facts.drivers.qemu, abilities: ABILITIES } } };
      },
    },
  };
}

const ABILITIES = { standby: true, fork: false, diskThrottle: false, memoryHotplug: false };

function manifestOf(machine: Machine): SnapshotManifest {
  const writer = { hypervisor: 'qemu', version: '7.2.0', accelerator: 'tcg' } as const;
  const memory = { writer, shape: shapeOf(machine), writtenAt: '0' };
  return { version: 1, source: machine.id, createdAt: 0, memory };
}
