import type { DriverFacts, Drivers } from '../machine/driver.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { HostFacts } from '../plan/world.ts';

/** Where the facts of the host come from. */
export type HostSources = Pick<
  HostFacts,
  'roots' | 'bootId' | 'nodeName' | 'watchingSince' | 'defaultHypervisor'
> & {
  readonly drivers: Drivers;
  readonly findKernel: (accelerator: DriverFacts['accelerator']) => Promise<HostFacts['kernel']>;
  readonly missingTools: () => Promise<HostFacts['missingTools']>;
  readonly cloneMethod?: () => Promise<NonNullable<HostFacts['cloneMethod']>>;
  readonly now: () => number;
};

/** A host in order changes rarely; one that lacks something is being mended. */
const HEALTHY_MS = 60_000;
const MENDING_MS = 2_000;

/** The facts of the host, looked up together and shared by every look for a short while. */
export function openHostFacts(sources: HostSources): () => Promise<HostFacts> {
  let known: { readonly facts: Promise<HostFacts>; until: number } | undefined;
  return () => {
    if (known !== undefined && sources.now() < known.until) return known.facts;
    const entry = { facts: gather(sources), until: sources.now() + MENDING_MS };
    known = entry;
    entry.facts.then(
      (facts) => {
        if (isHealthy(facts)) entry.until = sources.now() + HEALTHY_MS;
      },
      () => {
        entry.until = 0;
      },
    );
    return entry.facts;
  };
}

function isHealthy({ kernel, missingTools, drivers, defaultHypervisor }: HostFacts): boolean {
  return (
    kernel.state === 'ready' && missingTools.length === 0 && drivers[defaultHypervisor]?.problem === undefined
  );
}

async function gather(sources: HostSources): Promise<HostFacts> {
  const { roots, bootId, nodeName, watchingSince, defaultHypervisor } = sources;
  const signal = AbortSignal.timeout(60_000);
  const drivers: Partial<Record<Hypervisor, DriverFacts>> = {};
  for (const driver of Object.values(sources.drivers)) drivers[driver.name] = await driver.facts(signal);
  const [kernel, missingTools, cloneMethod] = await Promise.all([
    sources.findKernel(drivers[defaultHypervisor]?.accelerator),
    sources.missingTools(),
    sources.cloneMethod?.(),
  ]);
  return {
    ...{ roots, bootId, nodeName, watchingSince, defaultHypervisor, drivers, kernel, missingTools },
    ...(cloneMethod === undefined ? {} : { cloneMethod }),
  };
}
