import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { Answer, ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { must } from './cluster-stage.ts';
import type { Yard } from './cluster-stage.ts';

/** What a user does with the Volumes of a yard. */
export type VolumeYard = {
  create(name: string, spec?: Mapping, metadata?: Mapping): Promise<Mapping>;
  path(name: string): string;
  read(name: string): Promise<Answer>;
  merge(name: string, patch: Mapping): Promise<Mapping>;
  remove(name: string): Promise<void>;
  isGone(name: string): Promise<boolean>;
  /** `Available node-a True`: state, node, Ready. */
  standing(name: string): Promise<string>;
  message(name: string): Promise<string>;
};

export function volumeYard(api: ApiServer, { namespace }: Yard): VolumeYard {
  const volumes = `/apis/hypeman.dev/v1alpha1/namespaces/${namespace}/volumes`;
  const read = (name: string): Promise<Answer> => api.ask({ method: 'GET', path: `${volumes}/${name}` });
  return {
    create: (name, spec = {}, metadata = {}) => {
      const body = {
        ...{ apiVersion: 'hypeman.dev/v1alpha1', kind: 'Volume', metadata: { name, ...metadata } },
        spec: { size: '32MB', ...spec },
      };
      return must(api, { method: 'POST', path: volumes, body });
    },
    path: (name) => `${volumes}/${name}`,
    read,
    merge: (name, body) => {
      const patch = 'application/merge-patch+json';
      return must(api, { method: 'PATCH', path: `${volumes}/${name}`, patch, body });
    },
    remove: async (name) => {
      await must(api, { method: 'DELETE', path: `${volumes}/${name}` });
    },
    isGone: async (name) => (await read(name)).status === 404,
    standing: async (name) => {
      const { body } = await read(name);
      const status = valueAt(body, ['status']);
      const ready = listOf(valueAt(status, ['conditions'])).map((one) => textAt(one, ['status']));
      return [textAt(status, ['state']), textAt(status, ['nodeName']), ...ready].join(' ');
    },
    message: async (name) => textAt((await read(name)).body, ['status', 'message']) ?? '',
  };
}

export function mounting(volume: string, more: Mapping = {}): Mapping {
  return { volumes: [{ volume, mountPath: `/mnt/${volume}`, ...more }] };
}
