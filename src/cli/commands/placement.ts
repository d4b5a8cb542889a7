import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { parseWhole } from '../durations.ts';
import { usageFault } from '../faults.ts';
import { parseListen } from '../listen-address.ts';
import type { PlacementSettings } from '../run-placement.ts';

type PlacementFlags = Omit<PlacementSettings, 'cluster'> & {
  readonly kubeconfig?: string;
  readonly context?: string;
};

/** Where `manifests/` put everything. */
const NAMESPACE = 'hypeman-system';
const LISTEN = '127.0.0.1:9464';

export function addPlacement(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'placement',
    summary: "Have a cluster's scheduler find nodes for Instances.",
    details:
      'Makes a placeholder Pod for each Instance that names no node, and tells what the scheduler says of it; the ' +
      'agent of the chosen node runs the machine. Once for each cluster: of several, the one that has the Lease ' +
      'hypeman-placement is at work. Nodes are labelled with what their agents can do.',
    examples: [
      ['hypeman-controller placement', 'in a Pod, as manifests/base has it'],
      [
        'hypeman-controller placement --kubeconfig ~/.kube/config --placeholder-image busybox:1.36',
        'from outside of the cluster',
      ],
    ],
  });
  addPlaceholderOptions(command)
    .addOption(
      new Option('--listen <address:port>', 'where probes and metrics are served, or off')
        .argParser(parseListen)
        .default(parseListen(LISTEN), LISTEN),
    )
    .addOption(
      new Option('--log-level <level>', 'what is logged')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .action(async (flags: PlacementFlags) => {
      const settings = settingsOf(flags);
      const { runPlacement } = await import('../run-placement.ts');
      await runPlacement(context, settings);
    });
}

function addPlaceholderOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', "how to reach the cluster; default is the Pod's own service account")
    .option('--context <name>', 'a context of the kubeconfig; default is its current one')
    .option('-n, --namespace <namespace>', 'where this runs, and its Lease is', NAMESPACE)
    .option(
      '--placeholder-image <reference>',
      'what placeholder Pods run, with a shell; default is the image of --pod-name',
    )
    .option('--pod-name <name>', 'the Pod that this runs in', hostname())
    .addOption(
      new Option(
        '--cpu-percent <number>',
        'how much of a vCPU is kept free for each; below 100 guests share CPUs',
      )
        .argParser(parseWhole(1))
        .default(100),
    );
}

function settingsOf(flags: PlacementFlags): PlacementSettings {
  const { kubeconfig, context, cpuPercent } = flags;
  if (kubeconfig === undefined && context !== undefined)
    throw usageFault('--context belongs to a --kubeconfig: give it too');
  if (cpuPercent > 100) throw usageFault('--cpu-percent is from 1 to 100: no vCPU is more than a CPU');
  const named = context === undefined ? {} : { context };
  return {
    ...flags,
    cluster:
      kubeconfig === undefined
        ? { is: 'in-cluster' }
        : { is: 'kubeconfig', path: resolve(kubeconfig), ...named },
  };
}
