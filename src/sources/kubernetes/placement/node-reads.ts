import { textAt } from '../../../api/raw.ts';
import { isSuccess } from '../api-server.ts';
import type { ApiServer } from '../api-server.ts';
import { objectIn } from '../kubernetes-object.ts';
import { nodeSightOf } from './node-sight.ts';
import type { NodeSight } from './node-sight.ts';

/**
 * What the server says of a node, asked by name: what follows cannot be taken back. A 404 of a load balancer is
 * `unknown`, as every other answer that is none. Throws `transient`.
 */
export async function readNode(api: ApiServer, name: string): Promise<NodeSight | 'gone' | 'unknown'> {
  const answer = await api.ask({ method: 'GET', path: `/api/v1/nodes/${name}` });
  const { status, body } = answer;
  const isNoSuch = textAt(body, ['reason']) === 'NotFound' && textAt(body, ['details', 'name']) === name;
  if (status === 404) return isNoSuch ? 'gone' : 'unknown';
  const object = isSuccess(answer) ? objectIn(body) : undefined;
  return object === undefined ? 'unknown' : nodeSightOf(object);
}
