import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import type { Egress } from '../../src/egress/egress.ts';
import { endEgress, findEgress } from '../../src/egress/launch.ts';
import { openEgress } from '../../src/egress/open-egress.ts';
import { egressPlace } from '../../src/egress/place.ts';
import type { EgressPlace } from '../../src/egress/place.ts';
import { openLog } from '../../src/log.ts';
import type { ProcessIdentity } from '../../src/machine/machine.ts';
import { aPolicy } from './egress-policies.ts';

/** A host with an egress process, or none, and controllers that come and go. */
export type EgressStage = {
  readonly root: string;
  readonly place: EgressPlace;
  /** The instances that a bell rang for. */
  readonly rung: string[];
  /** A controller's side; a second one is the controller after a restart. */
  controller(): Promise<Egress>;
  /** One with a policy in force: without any there is no process. */
  mediatingController(): Promise<Egress>;
  process(): Promise<ProcessIdentity>;
  close(): Promise<void>;
};

export function openEgressStage(bootId: string): EgressStage {
  const root = mkdtempSync(`${tmpdir()}/hm-egress-`);
  // Passable, as the state directory is for the VMMs.
  chmodSync(root, 0o711);
  const roots = { state: `${root}/state`, run: `${root}/run` };
  const place = egressPlace(roots);
  const opened: Egress[] = [];
  const rung: string[] = [];
  const controller = async (): Promise<Egress> => {
    const egress = await openEgress({
      ...{ roots, bootId, log: openLog('silent') },
      onChange: (instance) => rung.push(instance),
    });
    opened.push(egress);
    return egress;
  };
  return {
    ...{ root, place, rung, controller },
    mediatingController: async () => {
      const egress = await controller();
      await egress.put(aPolicy(), 'r1');
      return egress;
    },
    process: async () => {
      const found = await findEgress(place, bootId);
      if (found === undefined) throw new Error('there is no egress process');
      return found;
    },
    close: async () => {
      for (const egress of opened) await egress.close();
      await endEgress(place, bootId);
      rmSync(root, { recursive: true });
    },
  };
}

export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
