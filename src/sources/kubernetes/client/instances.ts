import { isMapping, listOf, mappingOf } from '../../../api/raw.ts';
import type { ReportedInstance } from '../../../api/reported.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { isSuccess } from '../api-server.ts';
import type { Answer, ApiServer } from '../api-server.ts';
import { INSTANCES, instancePath } from '../instance-resource.ts';
import { objectIn } from '../kubernetes-object.ts';
import { isMissingObject, noCrd, refusalOf } from './refusals.ts';

/** Which Instances: of every namespace, of one, or a single one. */
export type Scope = { readonly namespace?: string; readonly name?: string };

export type Asked = { readonly api: ApiServer; readonly server: URL };

const PAGE = 500;

/** Undefined: there is none of that name. Throws what the server refused. */
export async function readInstance(
  { api, server }: Asked,
  key: InstanceKey,
): Promise<ReportedInstance | undefined> {
  const answer = await api.ask({ method: 'GET', path: instancePath(key) });
  if (isMissingObject(answer)) return undefined;
  return reportedIn(accepted(answer, server, `read ${key}`).body);
}

/** As the server has them: by namespace and name. Throws what the server refused. */
export async function listInstances(
  asked: Asked,
  { namespace }: Pick<Scope, 'namespace'>,
): Promise<readonly ReportedInstance[]> {
  const items = await listAll(asked, collectionPath(namespace), 'list Instances');
  return items.flatMap((item) => reportedIn(item) ?? []);
}

/** Every item of a collection of ours, page by page. Throws what the server refused. */
export async function listAll(
  { api, server }: Asked,
  collection: string,
  what: string,
): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  let more = '';
  do {
    const query = new URLSearchParams({ limit: String(PAGE), ...(more === '' ? {} : { continue: more }) });
    const path = `${collection}?${query.toString()}`;
    const { body } = accepted(await api.ask({ method: 'GET', path }), server, what);
    found.push(...listOf(body.items));
    const { continue: next } = mappingOf(body.metadata);
    more = typeof next === 'string' ? next : '';
  } while (more !== '');
  return found;
}

export function collectionPath(namespace: string | undefined): string {
  return namespace === undefined
    ? INSTANCES
    : INSTANCES.replace('/instances', `/namespaces/${namespace}/instances`);
}

/** The object as it came but for `managedFields`; one that no agent has looked at yet has an empty status. */
export function reportedIn(item: unknown): ReportedInstance | undefined {
  const object = objectIn(item);
  if (object === undefined) return undefined;
  const { document } = object;
  const status = { observedGeneration: 0, conditions: [], ...mappingOf(document.status) };
  const whole: unknown = {
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    ...document,
    status,
    events: [],
  };
  return isReported(whole) ? whole : undefined;
}

/** The server's schema has been over it, and what it may leave out was filled in above. */
function isReported(value: unknown): value is ReportedInstance {
  return isMapping(value) && isMapping(value.metadata) && isMapping(value.status);
}

function accepted(answer: Answer, server: URL, what: string): Answer {
  if (isSuccess(answer)) return answer;
  throw answer.status === 404 ? noCrd(server) : refusalOf(answer, what);
}
