import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { LogLevel } from '../log.ts';
import { HYPERVISORS } from '../machine/machine.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { Places } from './context.ts';
import { addDeclarationsOptions, takeDeclarations } from './declarations-flags.ts';
import type { DeclarationsFlags } from './declarations-flags.ts';
import { parseDuration, parseWhole } from './durations.ts';
import { usageFault } from './faults.ts';
import { parseListen, parseNameServer, parseSubnet } from './listen-address.ts';
import type { RunOptions } from './run-options.ts';
import { takeUpstream } from './upstream-flags.ts';
import type { UpstreamFlags } from './upstream-flags.ts';

/** What commander makes of the options below. */
export type RunFlags = UpstreamFlags &
  DeclarationsFlags & {
    readonly once?: true;
    readonly timeout: number;
    readonly subnet: string;
    readonly dns?: readonly string[];
    readonly kernel?: string;
    readonly kernelModules?: string;
    readonly accelerator: RunOptions['accelerator'];
    readonly hypervisor: Hypervisor;
    readonly concurrency: number;
    readonly resync: number;
    readonly listen: RunOptions['listen'];
    readonly metricsListen: RunOptions['metricsListen'];
    readonly logLevel: LogLevel;
    readonly nodeName: string;
    readonly registryAuth?: string;
  };

const TEN_MINUTES_MS = 600_000;
/** Loopback; 9464 is where OpenTelemetry's Prometheus exporters listen. */
const LISTEN = '127.0.0.1:9464';

export function addSourceOptions(command: Command): void {
  addDeclarationsOptions(command);
  command
    .option('--once', 'bring everything to rest, print the outcome and end')
    .addOption(
      new Option('--timeout <duration>', 'how long --once may take')
        .argParser(parseDuration)
        .default(TEN_MINUTES_MS, '10m'),
    )
    .option('--concurrency <number>', 'instances worked on at one time', parseWhole(1), 16)
    .option('--resync <seconds>', 'look at every instance at least this often', parseWhole(1), 300)
    .addOption(
      new Option('--listen <address:port>', 'where probes and metrics are served, or off')
        .argParser(parseListen)
        .default(parseListen(LISTEN), LISTEN),
    )
    .addOption(
      new Option(
        '--metrics-listen <address:port>',
        'where /metrics alone is served too, for a Prometheus elsewhere',
      )
        .argParser(parseListen)
        .default('off'),
    )
    .addOption(
      new Option('--log-level <level>', 'what is logged')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .option('--registry-auth <file>', 'registry credentials, as docker login writes them');
}

export function addHostOptions(command: Command): void {
  command
    .option('--subnet <cidr>', 'the IPv4 addresses of the guests', parseSubnet, '10.100.0.0/16')
    .option('--dns <address>', "a name server for the guests, not the host's; repeatable", parseNameServer)
    .option('--kernel <path>', 'a guest kernel of your own (bzImage or vmlinux)')
    .option('--kernel-modules <dir>', 'the modules that belong to it')
    .addOption(
      new Option('--accelerator <kind>', 'auto takes KVM where a trial boot proves that it works')
        .choices(['auto', 'kvm', 'tcg'])
        .default('auto'),
    )
    .addOption(
      new Option('--hypervisor <name>', 'for instances that name none').choices(HYPERVISORS).default('qemu'),
    )
    .option('--node-name <name>', 'what the status calls this host', hostname());
}

/** Throws a usage fault for options that do not go together. */
export function runOptionsOf(flags: RunFlags, places: Places): RunOptions {
  const { dns = [], once = false, timeout, resync, ...more } = flags;
  const { upstream, others: unplaced } = takeUpstream(more);
  const { declarations, others } = takeDeclarations(unplaced);
  if (flags.kernelModules !== undefined && flags.kernel === undefined)
    throw usageFault('--kernel-modules belong to a kernel: give --kernel too');
  return {
    ...places,
    ...absolute(others),
    declarations,
    dns,
    once,
    timeoutMs: timeout,
    resyncMs: resync * 1000,
    upstream,
  };
}

const PATHS = ['kernel', 'kernelModules', 'registryAuth'] as const;

function absolute<T extends Partial<Record<(typeof PATHS)[number], string>>>(flags: T): T {
  const given = PATHS.flatMap((name) => {
    const path = flags[name];
    return path === undefined ? [] : [[name, resolve(path)] as const];
  });
  return { ...flags, ...Object.fromEntries(given) };
}
