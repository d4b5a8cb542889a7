import { HypemanError } from '../../errors.ts';
import { openTurns } from '../../host/turns.ts';
import type { Driver, DriverFacts, MachineListener } from '../../machine/driver.ts';
import type { Abilities } from '../../machine/snapshot.ts';
import { freeze } from './freeze.ts';
import { growMemory } from './grow.ts';
import { QemuInstallation } from './installation.ts';
import type { InstallationOptions } from './installation.ts';
import { restore } from './restore.ts';
import { suspend } from './suspend.ts';
import { throttleDisks } from './throttle.ts';

import { Vmms } from './vmms.ts';

export type QemuOptions = InstallationOptions & {
  /** Of this host's boot: `readBootId()`. */
  readonly bootId: string;
  readonly onChange: MachineListener;
};

/** Memory is plugged in as pc-dimm: virtio-mem does not survive a fork in QEMU 7.2. */
const ABILITIES: Abilities = { standby: true, fork: true, diskThrottle: true, memoryHotplug: true };

/**
 * QEMU, one process for each machine, spoken to over QMP. Everything about one machine happens in turn, so
 * that a start and a look never see half of each other.
 */
export function openQemuDriver(options: QemuOptions): Driver {
  const { bootId, onChange, sharedGid } = options;
  const installation = new QemuInstallation(options);
  const vmms = new Vmms({ installation, bootId, onChange });
  const house = { vmms, installation, bootId, sharedGid };
  const inTurn = openTurns();
  return {
    name: 'qemu',
    facts: (signal) => factsOf(installation, signal),
    observe: (ref) => inTurn(ref.id, () => vmms.look(ref)),
    start: (machine, signal) => inTurn(machine.id, () => vmms.start(machine, signal)),
    pressPowerButton: (ref) => inTurn(ref.id, () => vmms.pressPowerButton(ref)),
    kill: (ref) => inTurn(ref.id, () => vmms.kill(ref)),
    growMemory: (machine, bytes, signal) =>
      inTurn(machine.id, () => growMemory(vmms, { machine, bytes }, signal)),
    throttleDisks: (ref, bytesPerSecond) => inTurn(ref.id, () => throttleDisks(vmms, ref, bytesPerSecond)),
    memory: {
      suspend: (machine, signal) => inTurn(machine.id, () => suspend(house, machine, signal)),
      restore: (machine, from, signal) => inTurn(machine.id, () => restore(house, { machine, from }, signal)),
      freeze: (machine, base, freezing, signal) =>
        inTurn(machine.id, () => freeze(house, { machine, base, ...freezing }, signal)),
    },
    close: () => {
      vmms.close();
      return Promise.resolve();
    },
  };
}

async function factsOf(installation: QemuInstallation, signal: AbortSignal): Promise<DriverFacts> {
  try {
    const { version, accelerator } = await installation.facts(signal);
    return { version: version.text, accelerator, abilities: ABILITIES };
  } catch (error) {
    if (!(error instanceof HypemanError)) throw error;
    return { problem: error.message };
  }
}
