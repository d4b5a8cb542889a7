import { writeFile } from 'node:fs/promises';
import { runCommand } from '../../src/host/exec.ts';

type Leaf = {
  readonly name: string;
  /** O and CN are group and user to an API server. */
  readonly subject: string;
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly names?: string;
};

/** The node whose kubelet the leaf `node` is for. */
export const KUBELET_NODE = 'real-node';

const LEAVES: readonly Leaf[] = [
  {
    name: 'server',
    subject: '/CN=kube-apiserver',
    usage: 'serverAuth',
    names: 'DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1',
  },
  { name: 'admin', subject: '/O=system:masters/CN=admin', usage: 'clientAuth' },
  { name: 'scheduler', subject: '/CN=system:kube-scheduler', usage: 'clientAuth' },
  { name: 'controller-manager', subject: '/CN=system:kube-controller-manager', usage: 'clientAuth' },
  { name: 'aggregator', subject: '/CN=front-proxy', usage: 'clientAuth' },
  { name: 'node', subject: `/O=system:nodes/CN=system:node:${KUBELET_NODE}`, usage: 'clientAuth' },
  // Without any right but those that a test gives.
  { name: 'agent', subject: '/CN=agent', usage: 'clientAuth' },
];

/** `<name>.crt` and `<name>.key` for every part of a control plane on loopback, `ca.crt`, and the keys of service accounts. */
export async function makeCertificates(directory: string): Promise<void> {
  await openssl(directory, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca.key');
  await openssl(directory, ...REQUEST, '-x509', '-key', 'ca.key', '-subj', '/CN=test-ca', '-out', 'ca.crt');
  await openssl(directory, 'genrsa', '-out', 'accounts.key', '2048');
  await openssl(directory, 'rsa', '-in', 'accounts.key', '-pubout', '-out', 'accounts.pub');
  for (const leaf of LEAVES) await makeLeaf(directory, leaf);
}

const REQUEST = ['req', '-new', '-days', '30'];

async function makeLeaf(directory: string, { name, subject, usage, names }: Leaf): Promise<void> {
  const extensions = [
    `extendedKeyUsage=${usage}`,
    ...(names === undefined ? [] : [`subjectAltName=${names}`]),
  ];
  await writeFile(`${directory}/${name}.ext`, extensions.join('\n'));
  await openssl(directory, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  await openssl(directory, 'req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`);
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30'];
  const files = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.crt`];
  await openssl(directory, 'x509', '-req', ...files, ...signed);
}

async function openssl(directory: string, ...args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runCommand('openssl', args, { cwd: directory });
  if (exitCode !== 0) throw new Error(`openssl ${args[0] ?? ''}: ${stderr}`);
}

/** A kubeconfig for one of the leaves above. */
export function kubeconfigText(directory: string, name: string, server: string): string {
  const user = { 'client-certificate': `${directory}/${name}.crt`, 'client-key': `${directory}/${name}.key` };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': `${directory}/ca.crt` } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}
