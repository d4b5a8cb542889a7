import { textAt } from '../../../api/raw.ts';
import { HypemanError } from '../../../errors.ts';
import { sentenceOf } from '../api-server.ts';
import type { Answer } from '../api-server.ts';

/** What the server refused as the one line that a user needs; a 403 names user, verb, resource and namespace. */
export function refusalOf(answer: Answer, what: string): HypemanError {
  const { status } = answer;
  const facts = { status };
  if (status === 401) {
    const message = `the API server does not know you: log in again, or choose another --context (${sentenceOf(answer)})`;
    return new HypemanError('invalid', 'Unauthorized', message, { facts });
  }
  if (status === 403)
    return new HypemanError('invalid', 'Forbidden', `forbidden: ${sentenceOf(answer)}`, { facts });
  const message = `the API server did not ${what}: ${sentenceOf(answer)}`;
  return new HypemanError(status >= 500 ? 'transient' : 'invalid', 'ApiServerRefused', message, { facts });
}

/** An object of that name is missing, and not the whole kind: only then does the server name it. */
export function isMissingObject({ status, body }: Answer): boolean {
  return status === 404 && textAt(body, ['details', 'name']) !== undefined;
}

/** The cluster does not serve what is ours. */
export function noCrd(server: URL): HypemanError {
  return new HypemanError(
    'invalid',
    'NoInstancesServed',
    `the cluster ${server.host} does not know Instances: install the CRDs with kubectl apply --server-side -k crds`,
  );
}
