import { openClusterAccess } from '../../../src/sources/kubernetes/open-cluster-access.ts';
import { KeptAliveApi } from '../../../src/sources/kubernetes/kept-alive-api.ts';
import { createInstance, forEach, insist, instancesIn } from './fleet.ts';

/**
 * The least that anybody could ask for an instance, over the same kind of connections: one claim and one status,
 * right behind its creation. It watches nothing, decides nothing and keeps nothing.
 */
export type Bare = {
  /** When its claim was answered: no agent can act sooner, however it hears of an instance. */
  readonly claimedAt: ReadonlyMap<string, number>;
  readonly restAt: ReadonlyMap<string, number>;
  readonly createdAt: ReadonlyMap<string, number>;
};

export async function runBare(
  kubeconfig: string,
  namespace: string,
  names: readonly string[],
  pace: typeof forEach = forEach,
): Promise<Bare> {
  const api = new KeptAliveApi(await openClusterAccess({ is: 'kubeconfig', path: kubeconfig }));
  const path = instancesIn(namespace);
  const createdAt = new Map<string, number>();
  const claimedAt = new Map<string, number>();
  const restAt = new Map<string, number>();
  try {
    await pace(names, async (name) => {
      createdAt.set(name, clock());
      await createInstance(api, path, name, { image: 'docker.io/library/nginx:1.29', nodeName: 'nowhere' });
      const claim = {
        labels: { 'hypeman.dev/node': 'nowhere' },
        annotations: { 'hypeman.dev/held-by': 'nowhere' },
        finalizers: ['hypeman.dev/instance'],
      };
      const patch = 'application/merge-patch+json';
      await insist(api, { method: 'PATCH', path: `${path}/${name}`, patch, body: { metadata: claim } });
      claimedAt.set(name, clock());
      await insist(api, { method: 'PATCH', path: `${path}/${name}/status`, patch, body: { status: STATUS } });
      restAt.set(name, clock());
    });
    return { createdAt, claimedAt, restAt };
  } finally {
    api.close();
  }
}

const clock = (): number => performance.timeOrigin + performance.now();

function condition(type: string): Readonly<Record<string, unknown>> {
  const words = { reason: 'ProgramRunning', message: 'the program runs, and is what the spec says' };
  return {
    type,
    status: 'True',
    ...words,
    lastTransitionTime: '2026-11-22T11:00:00Z',
    observedGeneration: 1,
  };
}

/** As large as one of ours. */
const STATUS = {
  ...{ id: 'tz4a98xxat96iws9zmbrgj3a', observedGeneration: 1, appliedGeneration: 1, state: 'Running' },
  ...{
    hypervisor: 'qemu',
    image: `docker.io/library/nginx:1.29@sha256:${'0'.repeat(64)}`,
    nodeName: 'nowhere',
  },
  ...{
    createdAt: '2026-11-22T11:00:00Z',
    startedAt: '2026-11-22T11:00:00Z',
    hasSnapshot: false,
    restarts: 0,
  },
  ...{ vcpus: 2, size: '1GB', overlaySize: '10GB' },
  network: { name: 'default', ip: '10.100.0.2', mac: '02:00:0a:64:00:02' },
  conditions: ['Ready', 'Running', 'UpToDate'].map(condition),
};
