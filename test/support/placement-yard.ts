import { listOf, mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { placeholderNameFor } from '../../src/sources/kubernetes/placement/placeholder-words.ts';
import { eventually, makeYard, must } from './cluster-stage.ts';
import type { Yard } from './cluster-stage.ts';

const MERGE = 'application/merge-patch+json';
const FINALIZER = 'hypeman.dev/instance';

/** A namespace in which Instances are placed, with the hands of a user, of agents and of kubelets. */
export type PlacementYard = Yard & {
  /** One that names no node. */
  declare(name: string, spec?: Mapping, metadata?: Mapping): Promise<Mapping>;
  podOf(instance: Mapping): Promise<Mapping | undefined>;
  /** The node that its placeholder is bound to. */
  nodeOf(instance: Mapping): Promise<string | undefined>;
  untilOn(instance: Mapping, node: string): Promise<void>;
  condition(name: string, type: string): Promise<Mapping>;
  untilSaid(name: string, type: string, wanted: Mapping): Promise<Mapping>;
  /** As the agent of a node takes an Instance, and what it tells of it. */
  take(instance: Mapping, node: string, status?: Mapping): Promise<void>;
  report(instance: Mapping, status: Mapping): Promise<void>;
  /** As an agent that has stopped the machine. */
  releasePod(instance: Mapping): Promise<void>;
  /** Everything is deleted, and let go as an agent would; resolves when no Pod is left. */
  clear(): Promise<void>;
};

export async function makePlacementYard(api: ApiServer): Promise<PlacementYard> {
  const yard = await makeYard(api);
  const podPath = (instance: Mapping): string => {
    const [name = '', uid = ''] = ['name', 'uid'].map((field) => textAt(instance, ['metadata', field]));
    return `/api/v1/namespaces/${yard.namespace}/pods/${placeholderNameFor(name, uid)}`;
  };
  const instancePath = (instance: Mapping): string =>
    `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/instances/${nameIn(instance)}`;
  const podOf = async (instance: Mapping): Promise<Mapping | undefined> => {
    const { status, body } = await api.ask({ method: 'GET', path: podPath(instance) });
    return status === 200 ? body : undefined;
  };
  const nodeOf = async (instance: Mapping): Promise<string | undefined> =>
    textAt(await podOf(instance), ['spec', 'nodeName']);
  const condition = async (name: string, type: string): Promise<Mapping> => {
    const { body } = await yard.read(name);
    const all = listOf(valueAt(body, ['status', 'conditions']));
    return mappingOf(all.find((each) => textAt(each, ['type']) === type));
  };
  const patch = async (path: string, body: Mapping): Promise<void> => {
    await must(api, { method: 'PATCH', path, patch: MERGE, body });
  };
  const report = (instance: Mapping, status: Mapping): Promise<void> =>
    patch(`${instancePath(instance)}/status`, { status });
  return {
    ...yard,
    declare: (name, spec = {}, metadata = {}) =>
      yard.create(name, { nodeName: undefined, size: '1GB', ...spec }, metadata),
    podOf,
    nodeOf,
    untilOn: (instance, node) =>
      eventually(
        async () => (await nodeOf(instance)) === node || (await yard.read(nameIn(instance))).body.status,
      ),
    condition,
    untilSaid: async (name, type, wanted) => {
      let found: Mapping = {};
      await eventually(async () => {
        found = await condition(name, type);
        return Object.entries(wanted).every(([field, value]) => isLike(found[field], value)) || found;
      });
      return found;
    },
    take: async (instance, node, status) => {
      await patch(instancePath(instance), {
        metadata: {
          labels: { 'hypeman.dev/node': node },
          annotations: { 'hypeman.dev/held-by': `${node} ${textAt(instance, ['metadata', 'uid']) ?? ''}` },
          finalizers: [FINALIZER],
        },
      });
      await report(instance, status ?? agentStatus('Running'));
    },
    report,
    releasePod: (instance) => patch(podPath(instance), { metadata: { finalizers: null } }),
    clear: async () => {
      const instances = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/instances`;
      await must(api, { method: 'DELETE', path: instances });
      for (const left of await itemsAt(api, instances))
        await api.ask({
          method: 'PATCH',
          path: `${instances}/${nameIn(left)}`,
          patch: MERGE,
          body: { metadata: { finalizers: null } },
        });
      const pods = `/api/v1/namespaces/${yard.namespace}/pods`;
      await eventually(async () => {
        const left = await itemsAt(api, pods);
        return left.length === 0 || left.map(({ metadata }) => metadata);
      });
    },
  };
}

async function itemsAt(api: ApiServer, path: string): Promise<readonly Mapping[]> {
  return listOf((await must(api, { method: 'GET', path })).items).map(mappingOf);
}

function isLike(found: unknown, wanted: unknown): boolean {
  return wanted instanceof RegExp ? typeof found === 'string' && wanted.test(found) : found === wanted;
}

function nameIn(instance: Mapping): string {
  return textAt(instance, ['metadata', 'name']) ?? '';
}

/** Of an Instance that stands as declared. */
export function agentStatus(state: string, observedGeneration = 1): Mapping {
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'Ready', message: 'as declared' },
    { type: 'Running', status: state === 'Running' ? 'True' : 'False', reason: state, message: state },
  ].map((each) => ({ ...each, lastTransitionTime: '2026-11-22T10:00:00Z', observedGeneration }));
  return { observedGeneration, state, conditions };
}
