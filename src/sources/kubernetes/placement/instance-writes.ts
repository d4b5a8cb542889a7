import { HypemanError } from '../../../errors.ts';
import { isSuccess, sentenceOf } from '../api-server.ts';
import type { Answer, ApiServer } from '../api-server.ts';
import {
  FIELD_MANAGER,
  FINALIZER,
  HOLDER_ANNOTATION,
  HOST_ANNOTATION,
  NODE_LABEL,
  instancePath,
} from '../instance-resource.ts';
import { objectIn } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { InstanceSight } from './instance-sight.ts';
import { PLACEHOLDER_NOTE, noteText } from './placeholder-note.ts';
import type { Room } from './placeholder-note.ts';
import { readNode } from './node-reads.ts';
import type { PlacementStatus } from './placement-status.ts';

/**
 * Takes an Instance from a node that can run nothing: asked of the server once more, for what follows cannot be
 * taken back. Undefined: the Instance is gone, or the node is not what it seemed. Throws `transient`.
 */
export async function letGo(
  api: ApiServer,
  instance: InstanceSight,
  node: string,
): Promise<KubernetesObject | undefined> {
  if (!(await isOver(api, node))) return undefined;
  const { key, resourceVersion, finalizers } = instance;
  const answer = await api.ask({
    method: 'PATCH',
    path: `${instancePath(key)}?fieldManager=${FIELD_MANAGER}`,
    patch: 'application/merge-patch+json',
    body: {
      metadata: {
        resourceVersion,
        labels: { [NODE_LABEL]: null },
        annotations: { [HOLDER_ANNOTATION]: null, [HOST_ANNOTATION]: null },
        finalizers: finalizers.filter((name) => name !== FINALIZER),
      },
    },
  });
  return written(answer);
}

export type Noted =
  /** No `object`: the Instance is gone. */
  | { readonly is: 'noted'; readonly object: KubernetesObject | undefined }
  /** The server will not have it: an admission rule, or annotations that are too long as they are. */
  | { readonly is: 'refused'; readonly message: string };

/** Who asks the same once more has the same answer: Bad Request, Forbidden, Content Too Large, Unprocessable. */
const REFUSED: readonly number[] = [400, 403, 413, 422];

/** Notes the Pod that was made for an Instance, whatever else was written there meanwhile. Throws `transient`. */
export async function notePod(
  api: ApiServer,
  { key, uid }: InstanceSight,
  pod: string,
  room: Room,
): Promise<Noted> {
  const answer = await api.ask({
    method: 'PATCH',
    path: `${instancePath(key)}?fieldManager=${FIELD_MANAGER}`,
    patch: 'application/merge-patch+json',
    // The uid is a precondition: another Instance of this name is not meant.
    body: { metadata: { uid, annotations: { [PLACEHOLDER_NOTE]: noteText(pod, room) } } },
  });
  if (REFUSED.includes(answer.status)) return { is: 'refused', message: sentenceOf(answer) };
  return { is: 'noted', object: written(answer) };
}

/** Only the server's word that there is no such Node, or the taint on it, is enough. */
async function isOver(api: ApiServer, name: string): Promise<boolean> {
  const node = await readNode(api, name);
  return node === 'gone' || (node !== 'unknown' && node.isOutOfService);
}

/**
 * Puts a status in the place of the old one if the Instance is still as it was seen: an agent that took it in the
 * meantime has the word. Undefined: the Instance is gone. Throws `transient`.
 */
export async function writeStatus(
  api: ApiServer,
  { key, uid, resourceVersion }: InstanceSight,
  status: PlacementStatus,
): Promise<KubernetesObject | undefined> {
  const answer = await api.ask({
    method: 'PATCH',
    path: `${instancePath(key)}/status?fieldManager=${FIELD_MANAGER}`,
    patch: 'application/json-patch+json',
    body: [
      { op: 'test', path: '/metadata/uid', value: uid },
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      { op: 'add', path: '/status', value: status },
    ],
  });
  return written(answer);
}

function written(answer: Answer): KubernetesObject | undefined {
  if (answer.status === 404) return undefined;
  const object = isSuccess(answer) ? objectIn(answer.body) : undefined;
  if (object !== undefined) return object;
  // 422 is how the server says that a test of a JSON patch failed.
  const reason = answer.status === 409 || answer.status === 422 ? 'Outrun' : 'ApiServerRefused';
  throw new HypemanError('transient', reason, sentenceOf(answer), { facts: { status: answer.status } });
}
