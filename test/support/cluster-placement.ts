import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { PLACEHOLDER_NOTE } from '../../src/sources/kubernetes/placement/placeholder-note.ts';
import { placeholderNameFor } from '../../src/sources/kubernetes/placement/placeholder-words.ts';
import { eventually, must } from './cluster-stage.ts';
import type { Yard } from './cluster-stage.ts';

/** What the scheduler and a kubelet do to the placeholder Pods of a yard. */
export type Scheduler = {
  /** Makes the placeholder of an Instance, and binds it. Returns the Pod's name. */
  place(name: string, node: string, changes?: Mapping): Promise<string>;
  pod(name: string): Promise<Mapping | undefined>;
  /** As a user who will not wait, or a kubelet whose containers have ended: at once, but for finalizers. */
  remove(pod: string): Promise<void>;
  dropFinalizers(pod: string): Promise<void>;
};

export function schedulerOf(api: ApiServer, yard: Yard): Scheduler {
  const pods = `/api/v1/namespaces/${yard.namespace}/pods`;
  return {
    place: async (name, node, annotations = {}) => {
      const uid = textAt((await yard.read(name)).body, ['metadata', 'uid']) ?? '';
      // Pods are refused until the controller manager has made it.
      const account = `/api/v1/namespaces/${yard.namespace}/serviceaccounts/default`;
      await eventually(async () => (await api.ask({ method: 'GET', path: account })).status === 200);
      const pod = placeholderNameFor(name, textAt(annotations, ['hypeman.dev/instance-uid']) ?? uid);
      await must(api, {
        method: 'POST',
        path: pods,
        body: {
          metadata: {
            name: pod,
            labels: { 'hypeman.dev/placeholder': 'true' },
            annotations: { 'hypeman.dev/instance': name, 'hypeman.dev/instance-uid': uid, ...annotations },
            finalizers: ['hypeman.dev/instance'],
            ownerReferences: [
              { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', name, uid, controller: true },
            ],
          },
          spec: {
            containers: [{ name: 'holder', image: 'example.com/holder' }],
            automountServiceAccountToken: false,
            // No kubelet is there to end a container.
            terminationGracePeriodSeconds: 0,
          },
        },
      });
      const made = await must(api, { method: 'GET', path: `${pods}/${pod}` });
      await yard.merge(name, {
        metadata: { annotations: { [PLACEHOLDER_NOTE]: textAt(made, ['metadata', 'uid']) } },
      });
      const body = { metadata: { name: pod }, target: { apiVersion: 'v1', kind: 'Node', name: node } };
      await must(api, { method: 'POST', path: `${pods}/${pod}/binding`, body });
      return pod;
    },
    pod: async (name) => {
      const { status, body } = await api.ask({ method: 'GET', path: `${pods}/${name}` });
      return status === 404 ? undefined : body;
    },
    remove: async (pod) => {
      await must(api, { method: 'DELETE', path: `${pods}/${pod}?gracePeriodSeconds=0` });
    },
    dropFinalizers: async (pod) => {
      await must(api, {
        method: 'PATCH',
        path: `${pods}/${pod}`,
        patch: 'application/merge-patch+json',
        body: { metadata: { finalizers: null } },
      });
    },
  };
}

/** Its status and its reason. */
export function conditionIn(document: Mapping, type: string): string {
  const conditions = listOf(valueAt(document, ['status', 'conditions']));
  const found = conditions.find((one) => textAt(one, ['type']) === type);
  return `${textAt(found, ['status']) ?? 'absent'} ${textAt(found, ['reason']) ?? ''}`;
}
