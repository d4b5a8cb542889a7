import { textAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import { HypemanError } from '../../errors.ts';
import { nameOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { isSuccess, sentenceOf } from './api-server.ts';
import type { Answer, ApiServer } from './api-server.ts';
import { INSTANCE } from './held-kind.ts';
import type { HeldKind } from './held-kind.ts';
import { FIELD_MANAGER } from './instance-resource.ts';
import { objectIn } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

/** The object as it is now; undefined: there is none of this name and uid. */
export type Sight = KubernetesObject | undefined;

const NOT_FOUND = 404;
const CONFLICT = 409;
const UNPROCESSABLE = 422;
const TRIES = 6;

/**
 * Reads an object from the server itself. Only its word, by name, that there is none ends one: a 404 of a load
 * balancer, or of a server that does not serve the kind yet, says nothing of their disks. Throws `transient`.
 */
export async function lookUp(api: ApiServer, key: InstanceKey, kind: HeldKind = INSTANCE): Promise<Sight> {
  const answer = await api.ask({ method: 'GET', path: kind.pathOf(key) });
  return isNoSuch(answer, key) ? undefined : objectOf(answer, `read ${key}`);
}

/**
 * Changes the metadata of one object: `change` gives what is to be merged into it, or undefined when nothing
 * is left to do. A change that lost a race is made anew from what won. Undefined when the object is gone or
 * another has its name. Throws `transient`.
 */
export async function changeMetadata(
  api: ApiServer,
  seen: KubernetesObject,
  change: (object: KubernetesObject) => Mapping | undefined,
  kind: HeldKind = INSTANCE,
): Promise<Sight> {
  let current: Sight = seen;
  for (let left = TRIES; left > 0; left -= 1) {
    const metadata = change(current);
    if (metadata === undefined) return current;
    const answer = await api.ask({
      method: 'PATCH',
      path: `${kind.pathOf(seen.key)}?fieldManager=${FIELD_MANAGER}`,
      patch: 'application/merge-patch+json',
      body: { metadata: { ...metadata, resourceVersion: current.resourceVersion } },
    });
    if (answer.status === NOT_FOUND) return undefined;
    if (answer.status !== CONFLICT) return objectOf(answer, `change ${seen.key}`);
    current = await lookUp(api, seen.key, kind);
    if (current?.uid !== seen.uid) return undefined;
  }
  throw new HypemanError(
    'transient',
    'TooManyConflicts',
    `${seen.key} changes faster than it can be changed`,
  );
}

/**
 * Puts a whole status in the place of the old one. Not by server-side apply: 1.20 refuses to drop a list
 * that way, and nobody else writes there. Undefined when the object is gone or another has its name.
 * Throws `transient`, and `bug` for a status that the schema refuses.
 */
export async function replaceStatus(
  api: ApiServer,
  { key, uid }: Pick<KubernetesObject, 'key' | 'uid'>,
  status: unknown,
  kind: HeldKind = INSTANCE,
): Promise<Sight> {
  const answer = await api.ask({
    method: 'PATCH',
    path: `${kind.pathOf(key)}/status?fieldManager=${FIELD_MANAGER}`,
    patch: 'application/json-patch+json',
    body: [
      { op: 'test', path: '/metadata/uid', value: uid },
      { op: 'add', path: '/status', value: status },
    ],
  });
  if (answer.status === NOT_FOUND) return undefined;
  if (answer.status !== UNPROCESSABLE) return objectOf(answer, `write the status of ${key}`);
  // The test failed, or the schema did not like the status: only a look can tell.
  if ((await lookUp(api, key, kind))?.uid !== uid) return undefined;
  throw new HypemanError('bug', 'StatusRefused', `the status of ${key} was refused: ${sentenceOf(answer)}`);
}

/** metav1.Status with its StatusDetails. */
function isNoSuch({ status, body }: Answer, key: InstanceKey): boolean {
  const [reason, name] = [textAt(body, ['reason']), textAt(body, ['details', 'name'])];
  return status === NOT_FOUND && reason === 'NotFound' && name === nameOf(key);
}

function objectOf(answer: Answer, what: string): KubernetesObject {
  const object = isSuccess(answer) ? objectIn(answer.body) : undefined;
  if (object !== undefined) return object;
  throw new HypemanError(
    'transient',
    answer.status === 403 ? 'Forbidden' : 'ApiServerRefused',
    `cannot ${what}: ${sentenceOf(answer)}`,
    { facts: { status: answer.status } },
  );
}
