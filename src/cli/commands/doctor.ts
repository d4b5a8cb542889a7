import { Option } from 'commander';
import type { Command } from 'commander';
import { findKernel } from '../../guest/kernel.ts';
import { installationTag } from '../../machine/ids.ts';
import { SHARED_GID } from '../../machine/owner.ts';
import { forwardProblems, reversePathProblem } from '../../network/host-problems.ts';
import { gatewayOf, ipv4Text, parseSubnet as networkOf } from '../../network/ipv4.ts';
import { thisHost } from '../../network/network-host.ts';
import { hostResolvers } from '../../network/resolvers.ts';
import { wholeRuleset } from '../../network/ruleset.ts';
import { refuseClash } from '../../network/subnet-clash.ts';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import type { Check } from '../doctor/check.ts';
import { controllerCheck, driverCheck, kernelCheck } from '../doctor/controller-checks.ts';
import {
  cgroupCheck,
  clockCheck,
  diskCheck,
  memoryCheck,
  rootCheck,
  toolsCheck,
  tunCheck,
} from '../doctor/host-checks.ts';
import {
  forwardingCheck,
  nameServerCheck,
  nftCheck,
  othersCheck,
  subnetCheck,
} from '../doctor/network-checks.ts';
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
    ...networkChecks(subnet, installationTag(stateDir)),
    cgroupCheck,
    clockCheck,
    memoryCheck,
    diskCheck(stateDir),
    controllerCheck(stateDir, controllerAt(controllerSocketOf(places))),
  ];
}

function networkChecks(text: string, tag: string): readonly Check[] {
  const subnet = networkOf(text);
  const policy = { tag, subnet: text, gateway: ipv4Text(gatewayOf(subnet)), resolvers: ['192.0.2.53'] };
  return [
    nftCheck(wholeRuleset(policy, [])),
    forwardingCheck,
    subnetCheck(text, () => refuseClash(thisHost, subnet, tag)),
    othersCheck(async () => {
      const [forward, reversePath] = await Promise.all([forwardProblems(), reversePathProblem()]);
      return reversePath === undefined ? forward : [...forward, reversePath];
    }),
    nameServerCheck(hostResolvers),
  ];
}
