import { Option } from 'commander';
import type { Command } from 'commander';
import { findKernel } from '../../guest/kernel.ts';
import { SHARED_GID } from '../../machine/owner.ts';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import type { Check } from '../doctor/check.ts';
import { controllerCheck, driverCheck, forwardDropCheck, kernelCheck } from '../doctor/controller-checks.ts';
import {
  cgroupCheck,
  clockCheck,
  diskCheck,
  memoryCheck,
  rootCheck,
  toolsCheck,
  tunCheck,
} from '../doctor/host-checks.ts';
import { forwardingCheck, nameServerCheck, nftCheck, subnetCheck } from '../doctor/network-checks.ts';
import { hostProbe } from '../doctor/probe.ts';
import { examine, isFit, reportText } from '../doctor/report.ts';
import { EXIT } from '../faults.ts';
import { parseSubnet } from '../listen-address.ts';

type DoctorOptions = { readonly subnet: string; readonly output?: 'json' };

export function addDoctor(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'doctor',
    summary: 'Tell what this host can and cannot do, with the fix.',
    details: 'Changes nothing. Exit code 1 when something is missing without which no instance can run.',
    examples: [
      ['sudo hypeman-controller doctor', 'before the first instance, and whenever something is odd'],
      ['hypeman-controller doctor -o json', 'for scripts'],
    ],
  })
    .option('--subnet <cidr>', 'the network that the guests are to have', parseSubnet, '10.100.0.0/16')
    .addOption(new Option('-o, --output <format>', 'another form').choices(['json']))
    .action(async (options: DoctorOptions, command: Command) => {
      const checks = checksFor(context, placesOf(command), options.subnet);
      const results = await examine(checks, hostProbe(context.now, context.signal));
      const text = options.output === 'json' ? `${JSON.stringify(results, null, 2)}\n` : reportText(results);
      context.stdout.write(text);
      if (!isFit(results)) context.setExitCode(EXIT.failed);
    });
}

function checksFor(context: CliContext, places: Places, subnet: string): readonly Check[] {
  const { stateDir, runDir } = places;
  const kernel = { roots: { state: stateDir, run: runDir }, sharedGid: SHARED_GID };
  return [
    rootCheck,
    toolsCheck(),
    kernelCheck(() => findKernel(kernel)),
    driverCheck('qemu', () => context.driverFacts(places, context.signal)),
    tunCheck,
    nftCheck,
    forwardingCheck,
    subnetCheck(subnet),
    forwardDropCheck(context.forwardProblems),
    nameServerCheck,
    cgroupCheck,
    clockCheck,
    memoryCheck,
    diskCheck(stateDir),
    controllerCheck(stateDir, controllerAt(controllerSocketOf(places))),
  ];
}
