import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { parse, parseAllDocuments } from 'yaml';
import { openParser } from '../../src/api/parser.ts';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { openClusterAccess } from '../../src/sources/kubernetes/open-cluster-access.ts';
import { KeptAliveApi } from '../../src/sources/kubernetes/kept-alive-api.ts';
import { openPlacement } from '../../src/sources/kubernetes/placement/open-placement.ts';
import { AGENT_LEASES } from '../../src/sources/kubernetes/placement/placeholder-words.ts';
import type { Placement, PlacementOptions } from '../../src/sources/kubernetes/placement/open-placement.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { must } from './cluster-stage.ts';

export const SYSTEM = 'hypeman-system';
const GIB = 1024 ** 3;
const MERGE = 'application/merge-patch+json';
const NODE_LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';

/** A Node whose Leases are renewed, with a kubelet that ends containers and does nothing else. */
export type PaperNode = {
  readonly name: string;
  /** Neither kubelet nor agent are heard of any more. */
  fallSilent(): void;
  patch(body: Mapping): Promise<void>;
  setMemory(gib: number): Promise<void>;
  remove(): Promise<void>;
};

/** `hasAgent`: the agent's Lease is there, so that placement labels the Node. */
export async function addPaperNode(
  admin: ApiServer,
  name: string,
  { memoryGib = 4, hasAgent = true }: { readonly memoryGib?: number; readonly hasAgent?: boolean } = {},
): Promise<PaperNode> {
  const path = `/api/v1/nodes/${name}`;
  const statusOf = (gib: number): Mapping => {
    const room = { cpu: '16', memory: String(gib * GIB), pods: '110', 'ephemeral-storage': '100Gi' };
    const now = new Date().toISOString();
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      message: '',
      lastHeartbeatTime: now,
    };
    return {
      capacity: room,
      allocatable: room,
      conditions: [{ ...ready, lastTransitionTime: now }],
    };
  };
  await must(admin, { method: 'POST', path: '/api/v1/nodes', body: { metadata: { name } } });
  const setStatus = async (gib: number): Promise<void> => {
    await must(admin, {
      method: 'PATCH',
      path: `${path}/status`,
      patch: MERGE,
      body: { status: statusOf(gib) },
    });
  };
  const room = { gib: memoryGib };
  await setStatus(room.gib);
  const annotations = { 'hypeman.dev/hypervisors': 'qemu', 'hypeman.dev/kvm': 'false' };
  const renewals = [
    await keepLease(admin, NODE_LEASES, { name }, name),
    ...(hasAgent ? [await keepLease(admin, AGENT_LEASES, { name, annotations }, name)] : []),
  ];
  renewals.push(endContainers(admin, name));
  // Whoever was given up during an outage says that it is there again.
  const sayReady = (): void => void setStatus(room.gib).catch(() => undefined);
  renewals.push(setInterval(sayReady, 5_000));
  const fallSilent = (): void => {
    for (const timer of renewals) clearInterval(timer);
  };
  return {
    name,
    fallSilent,
    setMemory: async (gib) => {
      room.gib = gib;
      await setStatus(gib);
    },
    patch: async (body) => {
      await must(admin, { method: 'PATCH', path, patch: MERGE, body });
    },
    remove: async () => {
      fallSilent();
      await admin.ask({ method: 'DELETE', path });
    },
  };
}

/** Confirms the end of each Pod that was deleted, finalizers or not, as a kubelet does whose containers obey. */
function endContainers(admin: ApiServer, node: string): NodeJS.Timeout {
  const look = async (): Promise<void> => {
    const pods = await must(admin, {
      method: 'GET',
      path: `/api/v1/pods?fieldSelector=spec.nodeName=${node}`,
    });
    for (const { metadata } of listOf(pods.items) as readonly { readonly metadata: Mapping }[]) {
      if (!(Number(valueAt(metadata, ['deletionGracePeriodSeconds']) ?? 0) > 0)) continue;
      const path = `/api/v1/namespaces/${textAt(metadata, ['namespace']) ?? ''}/pods/${textAt(metadata, ['name']) ?? ''}`;
      await admin.ask({ method: 'DELETE', path, body: { gracePeriodSeconds: 0 } });
    }
  };
  return setInterval(() => {
    void look().catch(() => undefined);
  }, 300);
}

async function keepLease(
  admin: ApiServer,
  leases: string,
  metadata: { readonly name: string; readonly annotations?: Mapping },
  holderIdentity: string,
): Promise<NodeJS.Timeout> {
  const spec = (): Mapping => ({
    holderIdentity,
    leaseDurationSeconds: 40,
    renewTime: new Date().toISOString().replace(/Z$/, '000Z'),
  });
  const path = `${leases}/${metadata.name}`;
  const { status } = await admin.ask({ method: 'POST', path: leases, body: { metadata, spec: spec() } });
  if (status === 409)
    await must(admin, { method: 'PATCH', path, patch: MERGE, body: { metadata, spec: spec() } });
  return setInterval(() => {
    void admin.ask({ method: 'PATCH', path, patch: MERGE, body: { spec: spec() } }).catch(() => undefined);
  }, 5_000);
}

export type Worker = Placement & {
  readonly lines: string[];
  /** Requests by method and status. */
  readonly answers: Map<string, number>;
};

const CRD = parse(
  readFileSync(new URL('../../crds/hypeman.dev_instances.yaml', import.meta.url), 'utf8'),
) as unknown;

/** Quick enough for a test, in the proportions of client-go's. */
export const QUICK_LEASE = { leaseMs: 3_000, renewMs: 2_000, retryMs: 300 };

export type WorkerOptions = Partial<PlacementOptions> & {
  readonly user?: 'admin' | 'agent';
  readonly port?: number;
  /** Comes between the worker and the API server. */
  readonly around?: (ask: ApiServer['ask']) => ApiServer['ask'];
};

export async function openWorker(plane: ControlPlane, options: WorkerOptions = {}): Promise<Worker> {
  const lines: string[] = [];
  const answers = new Map<string, number>();
  const path = await plane.kubeconfig(options.user ?? 'admin', options.port);
  const real = new KeptAliveApi(await openClusterAccess({ is: 'kubeconfig', path }), {
    onAnswer: (method, status) => {
      const name = `${method} ${status}`;
      answers.set(name, (answers.get(name) ?? 0) + 1);
    },
  });
  const ask: ApiServer['ask'] = (request) => real.ask(request);
  const api: ApiServer = {
    ask: options.around?.(ask) ?? ask,
    stream: (streamed, limits) => real.stream(streamed, limits),
    close: () => {
      real.close();
    },
  };
  const placement = openPlacement(api, {
    namespace: SYSTEM,
    identity: randomUUID(),
    settings: { image: 'holder:1', cpuPercent: 100 },
    // Forks and Volumes are for the node to take or not.
    parser: openParser(CRD, { unsupported: [] }),
    log: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    leaseTiming: QUICK_LEASE,
    ...options,
  });
  return { ...placement, lines, answers };
}

export async function startWorker(...given: Parameters<typeof openWorker>): Promise<Worker> {
  const worker = await openWorker(...given);
  await worker.start();
  return worker;
}

export async function makeSystem(admin: ApiServer): Promise<void> {
  for (const name of [SYSTEM, 'hypeman-nodes'])
    await must(admin, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
}

const RIGHTS = readFileSync(new URL('../../manifests/base/placement-rights.yaml', import.meta.url), 'utf8');

/** Gives the user `agent` what the manifests give the service account of placement, and nothing more. */
export async function allowPlacement(admin: ApiServer): Promise<void> {
  for (const document of parseAllDocuments(RIGHTS).map((one) => one.toJS() as Mapping)) {
    const namespace = textAt(document, ['metadata', 'namespace']);
    const plural = `${String(document.kind).toLowerCase()}s`;
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'agent' }];
    await must(admin, {
      method: 'POST',
      path: `/apis/rbac.authorization.k8s.io/v1/${namespace === undefined ? '' : `namespaces/${namespace}/`}${plural}`,
      body: document.subjects === undefined ? document : { ...document, subjects },
    });
  }
}
