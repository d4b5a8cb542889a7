import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { parse } from 'yaml';
import { openParser } from '../../src/api/parser.ts';
import { textAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { InstanceStatus } from '../../src/api/status.ts';
import { keyOf } from '../../src/machine/ids.ts';
import type { InstanceKey } from '../../src/machine/ids.ts';
import { isSuccess } from '../../src/sources/kubernetes/api-server.ts';
import type { Answer, ApiRequest, ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { openKubernetesSource } from '../../src/sources/kubernetes/open-kubernetes-source.ts';
import type { KubernetesSourceOptions } from '../../src/sources/kubernetes/open-kubernetes-source.ts';
import type { Source } from '../../src/sources/source.ts';
import type { ControlPlane } from './cluster-control-plane.ts';

export const IMAGE = 'docker.io/library/nginx:1.29';
export const NODE = 'node-a';
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const CRD_TEXT = readFileSync(new URL('../../crds/hypeman.dev_instances.yaml', import.meta.url), 'utf8');
const VOLUME_CRD_TEXT = readFileSync(new URL('../../crds/hypeman.dev_volumes.yaml', import.meta.url), 'utf8');

/** A question that must be answered well; what it answers otherwise is the failure's text. */
export async function must(api: ApiServer, request: ApiRequest): Promise<Mapping> {
  const answer = await api.ask(request);
  if (!isSuccess(answer))
    throw new Error(`${request.method} ${request.path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** By POST: 1.20 takes a CRD with fields that it does not know that way alone. */
export async function installCrd(api: ApiServer): Promise<void> {
  for (const text of [CRD_TEXT, VOLUME_CRD_TEXT])
    await must(api, { method: 'POST', path: CRDS, body: parse(text) });
  for (const plural of ['instances', 'volumes'])
    await eventually(async () => {
      const { status } = await api.ask({ method: 'GET', path: `/apis/hypeman.dev/v1alpha1/${plural}` });
      return status === 200;
    });
}

/** Waits for what must come to be true; the last answer is in the failure. */
export async function eventually(isSo: () => unknown, withinMs = 30_000): Promise<void> {
  const end = Date.now() + withinMs;
  let last: unknown;
  while (Date.now() < end) {
    last = await isSo();
    if (last === true) return;
    await sleep(20);
  }
  throw new Error(`not so within ${withinMs / 1000} s: ${JSON.stringify(last)}`);
}

let namespaces = 0;

/** A namespace of a test's own, and what a user does in it. */
export type Yard = {
  readonly namespace: string;
  key(name: string): InstanceKey;
  create(name: string, spec?: Mapping, metadata?: Mapping): Promise<Mapping>;
  read(name: string): Promise<Answer>;
  merge(name: string, patch: Mapping): Promise<Mapping>;
  remove(name: string): Promise<void>;
  putSecret(name: string, values: Readonly<Record<string, string>>): Promise<void>;
  removeSecret(name: string): Promise<void>;
  events(): Promise<readonly Mapping[]>;
};

export async function makeYard(api: ApiServer): Promise<Yard> {
  namespaces += 1;
  const namespace = `yard-${process.pid}-${namespaces}`;
  await must(api, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace } } });
  const instances = `/apis/hypeman.dev/v1alpha1/namespaces/${namespace}/instances`;
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  return {
    namespace,
    key: (name) => keyOf(namespace, name),
    create: (name, spec = {}, metadata = {}) =>
      must(api, {
        method: 'POST',
        path: instances,
        body: {
          apiVersion: 'hypeman.dev/v1alpha1',
          kind: 'Instance',
          metadata: { name, ...metadata },
          spec: { image: IMAGE, nodeName: NODE, ...spec },
        },
      }),
    read: (name) => api.ask({ method: 'GET', path: `${instances}/${name}` }),
    merge: (name, body) =>
      must(api, {
        method: 'PATCH',
        path: `${instances}/${name}`,
        patch: 'application/merge-patch+json',
        body,
      }),
    remove: async (name) => {
      await must(api, { method: 'DELETE', path: `${instances}/${name}` });
    },
    putSecret: async (name, stringData) => {
      const body = { metadata: { name }, stringData };
      const { status } = await api.ask({ method: 'POST', path: secrets, body });
      if (status === 409)
        await must(api, {
          method: 'PATCH',
          path: `${secrets}/${name}`,
          patch: 'application/merge-patch+json',
          body: { stringData },
        });
    },
    removeSecret: async (name) => {
      await must(api, { method: 'DELETE', path: `${secrets}/${name}` });
    },
    events: async () => {
      const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
      const { items } = await must(api, { method: 'GET', path });
      return items as readonly Mapping[];
    },
  };
}

/** An open source, what it told, and what it logged. */
export type Listening = {
  readonly source: Source;
  readonly told: InstanceKey[];
  readonly lines: string[];
  /** Requests by method and status. */
  readonly answers: Map<string, number>;
  close(): Promise<void>;
};

export async function listen(
  plane: Pick<ControlPlane, 'kubeconfig'>,
  options: Partial<KubernetesSourceOptions> & {
    readonly port?: number;
    readonly user?: 'admin' | 'agent';
  } = {},
): Promise<Listening> {
  const told: InstanceKey[] = [];
  const lines: string[] = [];
  const answers = new Map<string, number>();
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
  const source = await openKubernetesSource({
    cluster: { is: 'kubeconfig', path: await plane.kubeconfig(options.user ?? 'admin', options.port) },
    nodeName: NODE,
    parser: openParser(parse(CRD_TEXT), { volumes: parse(VOLUME_CRD_TEXT) }),
    log,
    onHost: () => [],
    disksOnHost: () => [],
    onAnswer: (method, status) => {
      const name = `${method} ${status}`;
      answers.set(name, (answers.get(name) ?? 0) + 1);
    },
    ...options,
  });
  return { source, told, lines, answers, close: () => source.close() };
}

export async function listenAndStart(...given: Parameters<typeof listen>): Promise<Listening> {
  const listening = await listen(...given);
  await listening.source.start((key) => listening.told.push(key));
  return listening;
}

/** A status as a pass would report it. */
export function statusSaying(message: string, generation = 1): InstanceStatus {
  return {
    observedGeneration: generation,
    nodeName: NODE,
    conditions: [
      {
        type: 'Ready',
        status: 'False',
        reason: 'Booting',
        message,
        lastTransitionTime: '2026-11-22T07:00:00Z',
        observedGeneration: generation,
      },
    ],
  };
}

export function readyMessageIn(document: Mapping): string | undefined {
  return textAt(document, ['status', 'conditions', 0, 'message']);
}
