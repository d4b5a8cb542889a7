import { createId } from '@paralleldrive/cuid2';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { lateBells, openController } from '../../src/controller.ts';
import type { Controller } from '../../src/controller.ts';
import { inheritedDeclarations } from '../../src/inherited-declarations.ts';
import { openLog } from '../../src/log.ts';
import { instanceId } from '../../src/machine/ids.ts';
import type { Workshops } from '../../src/workshops.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { listen, NODE } from './cluster-stage.ts';
import type { Listening } from './cluster-stage.ts';
import { openFakeWorkshops } from './fake-workshops.ts';

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
  const workshops = await openFakeWorkshops({ roots, nodeName: NODE, onChange: ring.bells.instance });
  return {
    workshops,
    ring,
    close: async () => {
      await workshops.close();
      await rm(base, { recursive: true });
    },
  };
}

/** The controller of a node, on a real API server. */
export type FakeAgent = Listening & { readonly controller: Controller };

export async function startFakeAgent(
  plane: Pick<ControlPlane, 'kubeconfig'>,
  { workshops, ring }: FakeNode,
  options: Parameters<typeof listen>[1] = {},
): Promise<FakeAgent> {
  const onHost = (): ReturnType<typeof workshops.storage.records> => workshops.storage.records();
  const disksOnHost = (): ReturnType<NonNullable<typeof listening.source.volumes>['keys']> =>
    workshops.volumes.all().map(({ key }) => key);
  const listening: Listening = await listen(plane, { onHost, disksOnHost, ...options });
  const controller = openController(
    { workshops, ...inheritedDeclarations(listening.source, workshops.storage), ring },
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
