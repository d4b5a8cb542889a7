import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../src/host/exec.ts';
import { openClusterAccess } from '../../src/sources/kubernetes/open-cluster-access.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { KeptAliveApi } from '../../src/sources/kubernetes/kept-alive-api.ts';
import { kubeconfigText, makeCertificates } from './cluster-certificates.ts';

const BIN = new URL('../../.cache/control-plane/bin', import.meta.url).pathname;

/** Why there can be no control plane on this machine, in words that say how to get one. */
export function controlPlaneMissing(): string | undefined {
  const parts = ['etcd', 'etcdctl', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];
  const needed = [...parts, ...Object.values(KUBECTL)];
  const missing = needed.filter((name) => !existsSync(`${BIN}/${name}`));
  if (missing.length === 0) return undefined;
  return `no ${missing.join(', ')}: run test/cluster/tools/build-control-plane.sh core`;
}

const CRD_SERVER = 'apiextensions-apiserver';

/** Why there can be no current server for custom resources. */
export function crdServerMissing(): string | undefined {
  if (existsSync(`${BIN}/${CRD_SERVER}`)) return controlPlaneMissing();
  return `no ${CRD_SERVER}: run test/cluster/tools/build-control-plane.sh crd`;
}

export type KubectlVersion = '1.32' | '1.20';
const KUBECTL: Readonly<Record<KubectlVersion, string>> = { '1.32': 'kubectl', '1.20': 'kubectl-1.20' };

/** etcd, kube-apiserver and kube-controller-manager 1.20 on loopback, with a directory of their own. */
export type ControlPlane = {
  readonly directory: string;
  readonly port: number;
  /** With every right. */
  readonly admin: ApiServer;
  /** The path of a kubeconfig for a user of `makeCertificates`; `port`: as seen through a proxy. */
  kubeconfig(user: 'admin' | 'agent', port?: number): Promise<string>;
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** Runs a kubectl with every right, and returns what it said. Throws with its complaint. */
  kubectl(version: KubectlVersion, ...args: readonly string[]): Promise<string>;
  /** A current server for custom resources beside it, spoken to directly: CEL, strict validation. */
  startCrdServer(): Promise<ApiServer>;
  /** Forgets every version but the last, as etcd does every five minutes. */
  compact(): Promise<void>;
  close(): Promise<void>;
};

export type ControlPlaneOptions = {
  /** kube-scheduler too: Pods are bound to nodes. */
  readonly schedules?: boolean;
  /** Plugins of the API server that are not on by themselves. */
  readonly admission?: string;
};

export async function startControlPlane({
  schedules,
  admission = 'NodeRestriction',
}: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const directory = await mkdtemp(`${tmpdir()}/hm-cluster-`);
  await makeCertificates(directory);
  const [etcdPort = 0, peerPort = 0, port = 0, managerPort = 0, crdPort = 0, schedulerPort = 0] =
    await freePorts(6);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const running = new Map<string, ChildProcess>();
  await mkdir(`${directory}/etcd`);

  async function start(name: string, args: readonly string[]): Promise<void> {
    const log = await open(`${directory}/${name}.log`, 'a');
    const child = spawn(`${BIN}/${name}`, args, { stdio: ['ignore', log.fd, log.fd] });
    await log.close();
    running.set(name, child);
    process.once('exit', () => child.kill('SIGKILL'));
  }
  async function stop(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = running.get(name);
    running.delete(name);
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  async function kubeconfig(user: string, throughPort = port): Promise<string> {
    const path = `${directory}/${user}-${throughPort}.kubeconfig`;
    await writeFile(path, kubeconfigText(directory, user, `https://127.0.0.1:${throughPort}`));
    return path;
  }
  async function startApiServer(): Promise<void> {
    const plugins = `--enable-admission-plugins=${admission}`;
    await start('kube-apiserver', [...apiServerFlags(directory, etcdUrl, port), plugins]);
    await until('kube-apiserver', directory, () => isReady(admin));
  }

  await start('etcd', etcdFlags(directory, etcdUrl, peerPort));
  const admin = new KeptAliveApi(
    await openClusterAccess({ is: 'kubeconfig', path: await kubeconfig('admin') }),
  );
  await startApiServer();
  const managerConfig = await kubeconfig('controller-manager');
  await start('kube-controller-manager', managerFlags(directory, managerConfig, managerPort));
  if (schedules === true)
    await start('kube-scheduler', schedulerFlags(await kubeconfig('scheduler'), schedulerPort));
  return {
    directory,
    port,
    admin,
    kubeconfig,
    startApiServer,
    stopApiServer: () => stop('kube-apiserver'),
    kubectl: async (version, ...args) => {
      const config = ['--kubeconfig', await kubeconfig('admin')];
      const { exitCode, stdout, stderr } = await runCommand(
        `${BIN}/${KUBECTL[version]}`,
        [...config, ...args],
        {
          // Its cache of what a server serves.
          env: { HOME: directory },
        },
      );
      if (exitCode !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
      return stdout;
    },
    startCrdServer: async () => {
      await start(CRD_SERVER, crdServerFlags(directory, etcdUrl, await kubeconfig('admin'), crdPort));
      const path = await kubeconfig('admin', crdPort);
      const api = new KeptAliveApi(await openClusterAccess({ is: 'kubeconfig', path }));
      await until(CRD_SERVER, directory, () => isReady(api));
      return api;
    },
    compact: async () => {
      const etcdctl = (...args: readonly string[]): ReturnType<typeof runCommand> =>
        runCommand(`${BIN}/etcdctl`, ['--endpoints', etcdUrl, ...args], { env: { ETCDCTL_API: '3' } });
      const { stdout } = await etcdctl('endpoint', 'status', '-w', 'json');
      const [revision = '0'] = /(?<="revision":)\d+/.exec(stdout) ?? [];
      const { exitCode, stderr } = await etcdctl('compact', revision);
      if (exitCode !== 0) throw new Error(`etcdctl compact ${revision}: ${stderr}`);
    },
    close: async () => {
      admin.close();
      for (const name of [...running.keys()].reverse()) await stop(name);
      await rm(directory, { recursive: true });
    },
  };
}

async function isReady(api: ApiServer): Promise<boolean> {
  return (await api.ask({ method: 'GET', path: '/readyz' })).status === 200;
}

function etcdFlags(directory: string, url: string, peerPort: number): readonly string[] {
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    ...['--name', 'test', '--data-dir', `${directory}/etcd`, '--log-level', 'warn'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--initial-cluster', `test=${peer}`, '--unsafe-no-fsync'],
  ];
}

function apiServerFlags(directory: string, etcdUrl: string, port: number): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    ...['--bind-address=127.0.0.1', '--advertise-address=127.0.0.1', `--secure-port=${port}`],
    ...['--insecure-port=0', '--endpoint-reconciler-type=none'],
    ...[`--tls-cert-file=${directory}/server.crt`, `--tls-private-key-file=${directory}/server.key`],
    `--client-ca-file=${directory}/ca.crt`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${directory}/accounts.key`,
    `--service-account-key-file=${directory}/accounts.pub`,
    '--service-cluster-ip-range=10.96.0.0/24',
    ...['--authorization-mode=Node,RBAC', '--allow-privileged=true', '--event-ttl=10m'],
    // Exec and logs, at the kubelet.
    `--kubelet-client-certificate=${directory}/admin.crt`,
    `--kubelet-client-key=${directory}/admin.key`,
    '--kubelet-preferred-address-types=InternalIP',
  ];
}

function managerFlags(directory: string, kubeconfig: string, port: number): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    ...['--bind-address=127.0.0.1', `--secure-port=${port}`, '--port=0', '--leader-elect=false'],
    '--use-service-account-credentials',
    `--service-account-private-key-file=${directory}/accounts.key`,
    `--root-ca-file=${directory}/ca.crt`,
    '--controllers=*,-nodeipam,-cloud-node-lifecycle,-service,-route',
    // In place of 40 s: nodes are given up while a test can wait for it.
    '--node-monitor-grace-period=8s',
  ];
}

function schedulerFlags(kubeconfig: string, port: number): readonly string[] {
  return [
    ...['', 'authentication-', 'authorization-'].map((part) => `--${part}kubeconfig=${kubeconfig}`),
    ...['--bind-address=127.0.0.1', `--secure-port=${port}`, '--port=0', '--leader-elect=false'],
  ];
}

function crdServerFlags(
  directory: string,
  etcdUrl: string,
  kubeconfig: string,
  port: number,
): readonly string[] {
  return [
    ...[`--etcd-servers=${etcdUrl}`, '--etcd-prefix=/crds'],
    ...['--bind-address=127.0.0.1', `--secure-port=${port}`],
    `--tls-cert-file=${directory}/server.crt`,
    `--tls-private-key-file=${directory}/server.key`,
    `--client-ca-file=${directory}/ca.crt`,
    ...['', 'authentication-', 'authorization-'].map((part) => `--${part}kubeconfig=${kubeconfig}`),
    // Their APIs are not on a 1.20 server.
    '--enable-priority-and-fairness=false',
    '--disable-admission-plugins=ValidatingAdmissionPolicy,MutatingAdmissionPolicy,ValidatingAdmissionWebhook,MutatingAdmissionWebhook',
  ];
}

const START_MS = 120_000;

/** Waits for a part that was started; its log is the reason when it does not come. */
async function until(name: string, directory: string, isReady: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    if (await isReady().catch(() => false)) return;
    await sleep(100);
  }
  const log = await readFile(`${directory}/${name}.log`, 'utf8');
  throw new Error(`${name} is not ready after ${START_MS / 1000} s:\n${log.slice(-3000)}`);
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  return servers.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
}
