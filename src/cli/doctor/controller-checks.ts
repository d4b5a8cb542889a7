import type { DriverFacts } from '../../machine/driver.ts';
import type { Hypervisor } from '../../machine/machine.ts';
import { PROGRAM } from '../command.ts';
import type { ControllerClient } from '../controller-client.ts';
import { fail, ok, warn } from './check.ts';
import type { Check } from './check.ts';

type KernelAnswer =
  | { readonly state: 'ready'; readonly version: string }
  | { readonly state: 'missing'; readonly problem: string };

export function kernelCheck(find: () => Promise<KernelAnswer>): Check {
  return {
    name: 'guest kernel',
    look: async () => {
      const kernel = await find();
      if (kernel.state === 'ready') return ok(`${kernel.version} is unpacked`);
      return fail(kernel.problem, `${PROGRAM} setup`);
    },
  };
}

type AllFacts = Readonly<Partial<Record<Hypervisor, DriverFacts>>>;

/** One check for each hypervisor that this version drives. */
export function driverCheck(name: Hypervisor, facts: () => Promise<AllFacts>): Check {
  return {
    name,
    look: async () => {
      const {
        version = 'unknown version',
        accelerator,
        problem,
      } = (await facts())[name] ?? {
        problem: `this version does not drive ${name}`,
      };
      if (problem !== undefined) return fail(problem, `${PROGRAM} setup`);
      if (accelerator !== 'tcg') return ok(`${version}, accelerated by ${accelerator ?? 'its own means'}`);
      return warn(
        `${version} without KVM (a trial boot with it did not work): machines run, but many times slower`,
        'run on a host with virtualisation, or enable nested virtualisation for this one',
      );
    },
  };
}

/** Whether a controller runs, and whether the state directory is free for one where none does. */
export function controllerCheck(stateDir: string, client: ControllerClient): Check {
  return {
    name: 'controller',
    look: async ({ read, holdsOpen }) => {
      const ping = await client.ping();
      if (typeof ping === 'object')
        return ok(`version ${ping.version} runs since ${ping.since}, pid ${ping.pid}`);
      const lock = `${stateDir}/lock`;
      const pid = Number((await read(lock))?.trim() ?? '');
      // The file outlives its holder, and pids are given anew: only who has it open holds it.
      if (!(pid > 0 && (await holdsOpen(pid, lock)))) return ok('none runs here now');
      return warn(
        `a controller (pid ${pid}) holds ${stateDir} but does not answer on its socket`,
        `name its --run-dir; if it hangs, end it: kill ${pid}`,
      );
    },
  };
}
