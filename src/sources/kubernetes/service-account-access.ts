import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { HypemanError } from '../../errors.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { keptCredentials } from './kept-credentials.ts';

/** Where the kubelet mounts it in every container (Kubernetes, "Accessing the API from within a Pod"). */
const DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server as the service account of this Pod. Throws `invalid` outside of a Pod. */
export function serviceAccountAccess(directory = DIRECTORY): ClusterAccess {
  return {
    server: serverOfPod(),
    ...keptCredentials(async () => {
      const [ca, token] = await Promise.all(
        ['ca.crt', 'token'].map((name) => readFile(`${directory}/${name}`, 'utf8')),
      );
      return { ca, headers: { authorization: `Bearer ${token?.trim() ?? ''}` } };
    }),
  };
}

function serverOfPod(): URL {
  // eslint-disable-next-line no-restricted-properties -- the kubelet's words to every container, and no setting of anybody
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  const address = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (host !== '' && URL.canParse(address)) return new URL(address);
  throw new HypemanError(
    'invalid',
    'NotInCluster',
    'this is no Pod of a cluster (KUBERNETES_SERVICE_HOST names no server): name a kubeconfig with --kubeconfig FILE',
  );
}
