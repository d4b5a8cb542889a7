import { findKernel } from '../../guest/kernel.ts';
import { installationTag } from '../../machine/ids.ts';
import { SHARED_GID } from '../../machine/owner.ts';
import { forwardProblems, reversePathProblem } from '../../network/host-problems.ts';
import { gatewayOf, ipv4Text, parseSubnet } from '../../network/ipv4.ts';
import { thisHost } from '../../network/network-host.ts';
import { hostResolvers } from '../../network/resolvers.ts';
import { wholeRuleset } from '../../network/ruleset.ts';
import { refuseClash } from '../../network/subnet-clash.ts';
import type { CliContext, Places } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import type { Check } from './check.ts';
import { controllerCheck, driverCheck, kernelCheck } from './controller-checks.ts';
import { proxyUserCheck, trustBundleCheck } from './egress-checks.ts';
import {
  cgroupCheck,
  clockCheck,
  cloneCheck,
  diskCheck,
  memoryCheck,
  rootCheck,
  toolsCheck,
  tunCheck,
} from './host-checks.ts';
import { forwardingCheck, nameServerCheck, nftCheck, othersCheck, subnetCheck } from './network-checks.ts';

/** All that is asked of this host, in the order in which it is shown: what others depend on first. */
export function checksFor(context: CliContext, places: Places, subnet: string): readonly Check[] {
  const { stateDir, runDir } = places;
  const kernel = { roots: { state: stateDir, run: runDir }, sharedGid: SHARED_GID };
  return [
    rootCheck,
    toolsCheck(),
    kernelCheck(() => findKernel(kernel)),
    driverCheck('qemu', () => context.driverFacts(places, context.signal)),
    tunCheck,
    ...networkChecks(subnet, installationTag(stateDir)),
    proxyUserCheck,
    trustBundleCheck,
    cgroupCheck,
    clockCheck,
    memoryCheck,
    diskCheck(stateDir),
    cloneCheck(stateDir),
    controllerCheck(stateDir, controllerAt(controllerSocketOf(places))),
  ];
}

function networkChecks(text: string, tag: string): readonly Check[] {
  const subnet = parseSubnet(text);
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
