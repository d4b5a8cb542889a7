import type { RunOptions } from './cli/run-options.ts';
import type { Parser } from './api/parser.ts';
import type { Logger } from './log.ts';
import { statIfThere } from './host/files.ts';
import { readMachineUuid } from './host/machine-uuid.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { Roots } from './machine/paths.ts';
import { openPodCgroups } from './pod-cgroups.ts';
import type { PlacedMachine } from './pod-cgroups.ts';
import type { Metrics } from './serve/metrics.ts';
import type { AgentHost } from './sources/kubernetes/agent-host.ts';
import { openKubernetesSource } from './sources/kubernetes/open-kubernetes-source.ts';
import type { Source } from './sources/source.ts';
import { directoryIdOf } from './storage/directory-id.ts';
import { vmmProcessOf } from './vmm-process.ts';
import type { Workshops } from './workshops.ts';

export type ClusterSourceParts = {
  readonly workshops: Workshops;
  readonly parser: Parser;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
  /** Another agent acts for this node: this one must end. */
  readonly onLost: (message: string) => void;
};

export type OpenedSource = {
  readonly source: Source;
  /** Ends what is beside the source; the source itself has its own end. */
  readonly close: () => void;
};

/** The declarations of a cluster for this node, its Lease, and its machines in the cgroups of their Pods. */
export async function openClusterSource(
  { nodeName }: Pick<RunOptions, 'nodeName'>,
  { kubeconfig }: Extract<RunOptions['declarations'], { in: 'cluster' }>,
  parts: ClusterSourceParts,
): Promise<OpenedSource> {
  const { workshops, parser, metrics, log, version, onLost } = parts;
  const { storage, volumes, hostFacts } = workshops;
  const { bootId } = await hostFacts();
  const cgroups = openPodCgroups({
    podOf: (key) => source.podOf(key),
    machineOf: (key) => machineOf(key, workshops),
    bootId,
    log,
  });
  const source = await openKubernetesSource({
    cluster: kubeconfig === undefined ? { is: 'in-cluster' } : { is: 'kubeconfig', ...kubeconfig },
    nodeName,
    parser,
    log,
    onHost: () => storage.records(),
    disksOnHost: () => volumes.all().map(({ key }) => key),
    onAnswer: (method, status) => {
      metrics.answered(method, status);
    },
    onPass: (key) => {
      cgroups.tend(key);
    },
    presence: {
      host: await agentHostOf(workshops.roots, bootId),
      version,
      abilities: () => abilitiesFrom(workshops),
      onLost,
    },
  });
  return {
    source,
    close: () => {
      cgroups.close();
    },
  };
}

/** The lock is of a directory, and not of its copies: see `lockStateDirectory`. */
async function agentHostOf(roots: Roots, bootId: string): Promise<AgentHost> {
  const place = await statIfThere(roots.state);
  const hardware = await readMachineUuid();
  return {
    directory: await directoryIdOf(roots),
    lock: [bootId, place?.dev, place?.ino].join('.'),
    ...(hardware === undefined ? {} : { hardware }),
  };
}

const OBSERVE_MS = 10_000;

async function machineOf(key: InstanceKey, workshops: Workshops): Promise<PlacedMachine | undefined> {
  const id = workshops.storage.recordOf(key)?.identity.id;
  const process = await vmmProcessOf(workshops, key, OBSERVE_MS);
  return id === undefined || process === undefined ? undefined : { id, process };
}

async function abilitiesFrom({
  hostFacts,
}: Workshops): Promise<{ readonly hypervisors: readonly string[]; readonly hasKvm: boolean }> {
  const usable = Object.entries((await hostFacts()).drivers).filter(
    ([, facts]) => facts.problem === undefined,
  );
  return {
    hypervisors: usable.map(([name]) => name),
    hasKvm: usable.some(([, { accelerator }]) => accelerator === 'kvm'),
  };
}
