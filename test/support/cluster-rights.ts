import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { listOf, mappingOf } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';

const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
const BINDINGS = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';

const RIGHTS = new URL('../../manifests/base/agent-rights.yaml', import.meta.url);

/** Gives the user `agent` what the manifests give the agent's service account, and nothing more. */
export async function allowAgent(admin: ApiServer): Promise<void> {
  const documents = parseAllDocuments(readFileSync(RIGHTS, 'utf8')).map((one) => one.toJS() as Mapping);
  const rules = documents.find(({ kind }) => kind === 'ClusterRole')?.rules;
  await admin.ask({ method: 'POST', path: ROLES, body: { metadata: { name: 'agent' }, rules } });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'agent' };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'agent' }];
  const body = { metadata: { name: 'agent' }, roleRef, subjects };
  await admin.ask({ method: 'POST', path: BINDINGS, body });
  await allowLease(admin, documents.find(({ kind }) => kind === 'Role')?.rules);
}

async function allowLease(admin: ApiServer, rules: unknown): Promise<void> {
  const nodes = { metadata: { name: 'hypeman-nodes' } };
  await admin.ask({ method: 'POST', path: '/api/v1/namespaces', body: nodes });
  const path = '/apis/rbac.authorization.k8s.io/v1/namespaces/hypeman-nodes';
  await admin.ask({ method: 'POST', path: `${path}/roles`, body: { metadata: { name: 'agent' }, rules } });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'agent' };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'agent' }];
  const body = { metadata: { name: 'agent' }, roleRef, subjects };
  await admin.ask({ method: 'POST', path: `${path}/rolebindings`, body });
}

export async function forbidAgent(admin: ApiServer): Promise<void> {
  await admin.ask({ method: 'DELETE', path: `${BINDINGS}/agent` });
}

/** Lets the user `agent` read one Secret and no other. */
export async function allowSecret(admin: ApiServer, namespace: string, name: string): Promise<void> {
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  const rules = [
    { apiGroups: [''], resources: ['secrets'], resourceNames: [name], verbs: ['get', 'list', 'watch'] },
  ];
  await admin.ask({ method: 'POST', path: `${path}/roles`, body: { metadata: { name }, rules } });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'agent' }];
  await admin.ask({
    method: 'POST',
    path: `${path}/rolebindings`,
    body: { metadata: { name }, roleRef, subjects },
  });
}

/** Takes a kind of ours from what `allowAgent` gave, as a role from before it was known; the answer gives it back. */
export async function forbidKind(admin: ApiServer, plural: string): Promise<() => Promise<void>> {
  const { body } = await admin.ask({ method: 'GET', path: `${ROLES}/agent` });
  const write = async (rules: unknown): Promise<void> => {
    const patch = 'application/merge-patch+json';
    await admin.ask({ method: 'PATCH', path: `${ROLES}/agent`, patch, body: { rules } });
  };
  const all = listOf(body.rules).map(mappingOf);
  await write(
    all.map((rule) => ({
      ...rule,
      resources: listOf(rule.resources).filter((one) => !String(one).startsWith(plural)),
    })),
  );
  return () => write(all);
}
