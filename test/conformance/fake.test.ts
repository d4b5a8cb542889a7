import { HypemanError } from '../../src/errors.ts';
import { instanceId, snapshotId } from '../../src/machine/ids.ts';
import type { InstanceId } from '../../src/machine/ids.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { ownerFor } from '../../src/machine/owner.ts';
import { basePathsFor, pathsFor } from '../../src/machine/paths.ts';
import { openFakeHost } from '../support/fake-guest.ts';
import type { FakeHost } from '../support/fake-guest.ts';
import { describeDriver } from './driver-suite.ts';
import { describeGrowth } from './growth-suite.ts';
import type { GrowthStage } from './growth-suite.ts';
import { describeMemoryKeeper } from './memory-suite.ts';

const POWERS_OFF = 'powers-off';
const ROOM = { bytes: 512 * 1024 ** 2, dimms: [] };
const IMPOSSIBLE = 'impossible';

describeDriver('fake', openStage);
describeMemoryKeeper('fake', openStage);
describeGrowth('fake', openStage);

function openStage(): Promise<GrowthStage> {
  const told: InstanceId[] = [];
  const note = (id: InstanceId): void => {
    told.push(id);
  };
  const open = (world?: FakeHost['world']): FakeHost =>
    openFakeHost({ onMachine: note, onGuest: note, ...(world === undefined ? {} : { world }) });
  let host = open();
  host.world.refusal = ({ cmdline }) =>
    cmdline === IMPOSSIBLE ? new HypemanError('transient', 'MachineStartFailed', 'no') : undefined;
  host.world.listeners.add((event) => {
    if (event.kind !== 'started' || event.machine.cmdline !== POWERS_OFF) return;
    const { id } = event.machine;
    setTimeout(() => {
      host.exit(id, 0);
      host.links.acknowledgeExit(id);
    }, 5);
  });
  let count = 0;
  let bases = 0;
  const machine = (cmdline: string): Promise<Machine> => {
    count += 1;
    const id = instanceId(`fake${count}`);
    return Promise.resolve({
      ...{ id, vcpus: 1, memoryBytes: 1, kernel: '/kernel', initrd: [], cmdline, disks: [] },
      owner: ownerFor(count),
      paths: pathsFor({ state: '/state', run: '/run' }, id),
    });
  };
  const stage: GrowthStage = {
    driver: () => host.driver,
    machine: (guest = 'idles') => machine(guest),
    impossibleMachine: () => machine(IMPOSSIBLE),
    restartController: async () => {
      await host.close();
      host = open(host.world);
    },
    told,
    vmmsOf: ({ id }) => Promise.resolve(host.world.vmms.has(id) ? 1 : 0),
    tracesOf: ({ id }) => Promise.resolve(host.world.vmms.has(id) ? ['vmm'] : []),
    killFromOutside: ({ id }) => {
      host.crash(id);
      return Promise.resolve();
    },
    freeze: ({ id }) => {
      host.setAnswering(id, false);
      return Promise.resolve();
    },
    thaw: ({ id }) => {
      host.setAnswering(id, true);
      return Promise.resolve();
    },
    keptMachine: async () => ({ ...(await machine('counts')), memory: 'file' }),
    roomyMachine: async () => ({ ...(await machine('counts')), memory: 'file', hotplug: ROOM }),
    forkOf: async ({ hotplug }) => ({
      ...{ ...(await machine('counts')), memory: 'file' },
      ...(hotplug === undefined ? {} : { hotplug }),
    }),
    countOf: ({ id }) => {
      const vmm = host.world.vmms.get(id);
      if (vmm?.status === 'running') vmm.memory += 1;
      return Promise.resolve(vmm?.memory ?? 0);
    },
    newBase: () => {
      bases += 1;
      return basePathsFor({ state: '/state', run: '/run' }, snapshotId(`base${bases}`));
    },
    snapshotAt: ({ directory }) => Promise.resolve(host.world.snapshots.has(directory) ? 'ready' : 'absent'),
    discard: ({ directory }) => {
      host.world.snapshots.delete(directory);
      return Promise.resolve();
    },
    close: () => host.close(),
  };
  return Promise.resolve(stage);
}
