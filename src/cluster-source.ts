import type { RunOptions } from './cli/run-options.ts';
import type { Parser } from './api/parser.ts';
import type { Logger } from './log.ts';
import type { InstanceKey } from './machine/ids.ts';
import { pathsFor } from './machine/paths.ts';
import { openPodCgroups } from './pod-cgroups.ts';
import type { PlacedMachine } from './pod-cgroups.ts';
import type { Metrics } from './serve/metrics.ts';
import { openKubernetesSource } from './sources/kubernetes/open-kubernetes-source.ts';
import type { Source } from './sources/source.ts';
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
  const { storage, volumes, hostFacts, tag } = workshops;
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
    onHost: () => storage.records().map(({ key }) => key),
    disksOnHost: () => volumes.all().map(({ key }) => key),
    onAnswer: (method, status) => {
      metrics.answered(method, status);
    },
    onPass: (key) => {
      cgroups.tend(key);
    },
    presence: {
      // The lock of the state directory lets one agent at a time have it.
      installation: `${bootId}-${tag}`,
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

const OBSERVE_MS = 10_000;

async function machineOf(
  key: InstanceKey,
  { storage, drivers, roots }: Workshops,
): Promise<PlacedMachine | undefined> {
  const record = storage.recordOf(key);
  const driver = record?.run === undefined ? undefined : drivers[record.run.hypervisor];
  if (record === undefined || driver === undefined) return undefined;
  const { id } = record.identity;
  const state = await driver.observe({ id, paths: pathsFor(roots, id) }, AbortSignal.timeout(OBSERVE_MS));
  return state.state === 'absent' ? undefined : { id, process: state.process };
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
