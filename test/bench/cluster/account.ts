import { cp, mkdir, writeFile } from 'node:fs/promises';
import { textAt } from '../../../src/api/raw.ts';
import type { ControlPlane } from '../../support/cluster-control-plane.ts';
import { must } from '../../support/cluster-stage.ts';

/** What the kubelet gives to a container of the agent. */
export type Account = {
  /** With `token` and `ca.crt`. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
};

const MANIFESTS = new URL('../../../manifests/base', import.meta.url).pathname;
const VALID_SECONDS = 24 * 3_600;

/** The agents' own service account, with the rights of the manifests and those of a reader of Secrets in `namespace`. */
export async function makeAccount(plane: ControlPlane, namespace: string): Promise<Account> {
  for (const name of ['namespace', 'agent-account', 'agent-rights', 'secret-reader'])
    await plane.kubectl('1.32', 'apply', '--validate=false', '-f', `${MANIFESTS}/${name}.yaml`);
  const reader = ['--clusterrole=hypeman-secret-reader', '--serviceaccount=hypeman-system:hypeman-agent'];
  await plane.kubectl('1.32', '-n', namespace, 'create', 'rolebinding', 'hypeman', ...reader);
  const answer = await must(plane.admin, {
    method: 'POST',
    path: '/api/v1/namespaces/hypeman-system/serviceaccounts/hypeman-agent/token',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], expirationSeconds: VALID_SECONDS },
    },
  });
  const directory = `${plane.directory}/account`;
  await mkdir(directory);
  await cp(`${plane.directory}/ca.crt`, `${directory}/ca.crt`);
  await writeFile(`${directory}/token`, textAt(answer, ['status', 'token']) ?? '', { mode: 0o600 });
  return {
    directory,
    env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(plane.port) },
  };
}
