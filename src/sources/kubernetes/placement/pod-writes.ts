import { textAt } from '../../../api/raw.ts';
import type { Mapping } from '../../../api/raw.ts';
import { HypemanError } from '../../../errors.ts';
import { nameOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { isSuccess, sentenceOf } from '../api-server.ts';
import type { Answer, ApiServer } from '../api-server.ts';
import { FIELD_MANAGER } from '../instance-resource.ts';
import { objectIn } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { POD_FINALIZER } from './placeholder-words.ts';
import type { Refusal } from './placement-world.ts';
import type { PodSight } from './pod-sight.ts';

export type Made =
  /** `isNew`: made just now, and by us. */
  | { readonly is: 'there'; readonly object: KubernetesObject; readonly isNew: boolean }
  | { readonly is: 'refused'; readonly why: Pick<Refusal, 'is' | 'reason' | 'message'> };

/** Makes a Pod, or finds the one that has its name. Throws `transient`. */
export async function createPod(api: ApiServer, pod: Mapping): Promise<Made> {
  const namespace = textAt(pod, ['metadata', 'namespace']) ?? '';
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const answer = await api.ask({ method: 'POST', path: `${path}?fieldManager=${FIELD_MANAGER}`, body: pod });
  if (answer.status === 409 && textAt(answer.body, ['reason']) === 'AlreadyExists') {
    const name = textAt(pod, ['metadata', 'name']) ?? '';
    const there = await api.ask({ method: 'GET', path: `${path}/${name}` });
    return { is: 'there', object: objectOf(there), isNew: false };
  }
  const why = refusalIn(answer);
  if (why !== undefined) return { is: 'refused', why };
  return { is: 'there', object: objectOf(answer), isNew: true };
}

/** Who must move: quotas, classes and policies change, a Pod that can be none does not. */
function refusalIn(answer: Answer): Pick<Refusal, 'is' | 'reason' | 'message'> | undefined {
  const message = sentenceOf(answer);
  switch (answer.status) {
    case 403:
      return {
        is: 'waiting',
        reason: message.includes('exceeded quota') ? 'QuotaExceeded' : 'PlaceholderForbidden',
        message,
      };
    case 400:
    case 422:
      return { is: 'stalled', reason: 'PlaceholderInvalid', message };
    default:
      return undefined;
  }
}

/** Takes our finalizer off. Undefined: there is none of this uid any more. Throws `transient`. */
export async function releasePod(api: ApiServer, pod: PodSight): Promise<KubernetesObject | undefined> {
  const { resourceVersion, finalizers } = pod;
  const answer = await api.ask({
    method: 'PATCH',
    path: `${podPath(pod.key)}?fieldManager=${FIELD_MANAGER}`,
    patch: 'application/merge-patch+json',
    body: { metadata: { resourceVersion, finalizers: finalizers.filter((name) => name !== POD_FINALIZER) } },
  });
  return answer.status === 404 ? undefined : objectOf(answer);
}

/** Asks for its end. `isForced`: nobody is there who would confirm it. Throws `transient`. */
export async function deletePod(
  api: ApiServer,
  { key, uid, resourceVersion }: Pick<PodSight, 'key' | 'uid' | 'resourceVersion'>,
  isForced: boolean,
): Promise<void> {
  const answer = await api.ask({
    method: 'DELETE',
    path: podPath(key),
    body: { preconditions: { uid, resourceVersion }, ...(isForced ? { gracePeriodSeconds: 0 } : {}) },
  });
  if (answer.status !== 404 && !isSuccess(answer)) throw refused(answer);
}

function podPath(key: InstanceKey): string {
  return `/api/v1/namespaces/${namespaceOf(key)}/pods/${nameOf(key)}`;
}

function objectOf(answer: Answer): KubernetesObject {
  const object = isSuccess(answer) ? objectIn(answer.body) : undefined;
  if (object !== undefined) return object;
  throw refused(answer);
}

function refused(answer: Answer): HypemanError {
  const reason = answer.status === 409 ? 'Outrun' : 'ApiServerRefused';
  return new HypemanError('transient', reason, sentenceOf(answer), { facts: { status: answer.status } });
}
