import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { textAt, valueAt, listOf } from '../../src/api/raw.ts';
import { collectCgroups } from '../../src/host/cgroups.ts';
import { runCommand } from '../../src/host/exec.ts';
import { allPids, argumentsOf } from '../../src/host/processes.ts';
import { KUBELET_NODE, kubeconfigText } from './cluster-certificates.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { cniConfig, containerdConfig, kubeletConfig } from './cluster-node-config.ts';
import type { NodePlace } from './cluster-node-config.ts';
import { importImage, makeSmallImage, SMALL_IMAGE, SMALL_REPOSITORY } from './cluster-node-image.ts';
import { API_SERVER, openNodeNetwork } from './cluster-node-network.ts';
import type { NodeNetwork } from './cluster-node-network.ts';
import { makeTestCgroup, pidsInCgroup, removeTestCgroup, testCgroupMissing } from './test-cgroup.ts';

export const KUBELET = new URL('../../.cache/control-plane/bin/kubelet', import.meta.url).pathname;
const PROGRAMS = ['/usr/bin/containerd', '/usr/sbin/runc', '/usr/lib/cni/ptp', '/bin/busybox', KUBELET];
const START_MS = 60_000;

/** Why there can be no real node on this machine, in words that say how to get one. */
export async function nodeMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a node needs root';
  const missing = PROGRAMS.filter((path) => !existsSync(path));
  if (missing.length > 0)
    return `no ${missing.join(', ')}: run test/cluster/tools/build-control-plane.sh node, and apt-get install containerd runc containernetworking-plugins busybox-static`;
  return testCgroupMissing();
}

/** containerd and a kubelet 1.20, in a network and a mount namespace of their own, with cgroups of their own. */
export type ClusterNode = {
  readonly name: string;
  readonly directory: string;
  readonly network: NodeNetwork;
  /** For Pods: the images of an OCI layout as `repository:TAG`. */
  importImage(layout: string, repository: string): Promise<void>;
  close(): Promise<void>;
};

/** A node of this control plane that is Ready. */
export async function startClusterNode(plane: ControlPlane): Promise<ClusterNode> {
  const network = await openNodeNetwork(plane.port);
  const directory = await mkdtemp('/var/tmp/hm-node-');
  const cgroup = `/hypeman-test-${process.pid}`;
  const place: NodePlace = {
    ...{ directory, cgroup, pause: SMALL_IMAGE, address: network.address },
    socket: `${directory}/containerd.sock`,
    clientCa: `${plane.directory}/ca.crt`,
  };
  const close = async (): Promise<void> => {
    await endEverything(place, network);
    await network.close();
    await removeTestCgroup(cgroup);
    // Of the machines and the proxy that an agent left behind.
    await collectCgroups();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await makeTestCgroup(cgroup);
    const containerd = await startContainerd(place, network);
    await writeFile(
      `${directory}/kubeconfig`,
      kubeconfigText(plane.directory, 'node', `https://${API_SERVER}`),
    );
    await startKubelet(place, containerd);
    await until('the node is Ready', `${directory}/kubelet.log`, () => isNodeReady(plane));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name: KUBELET_NODE,
    directory,
    network,
    importImage: (layout, repository) => importImage(place.socket, layout, repository),
    close,
  };
}

/** Of what a node writes outside of its own directories. With its last process they are gone, and all its mounts. */
const PRIVATE = ['/var/log', '/run/containerd', '/run/netns', '/var/lib/cni', '/var/lib/kubelet', '/opt'];

async function startContainerd(place: NodePlace, { namespace }: NodeNetwork): Promise<number> {
  const { directory, socket } = place;
  await mkdir(`${directory}/cni`);
  await writeFile(`${directory}/cni/10-pods.conflist`, cniConfig(place));
  await writeFile(`${directory}/containerd.toml`, containerdConfig(place));
  await makeSmallImage(`${directory}/small-image`);
  const mounts = PRIVATE.map((path) => `mkdir -p ${path}; mount -t tmpfs tmpfs ${path}`);
  // ip-netns(8) would mount another /sys, without cgroups in it.
  const pid = await start(`${directory}/containerd.log`, [
    ...['nsenter', `--net=/run/netns/${namespace}`, 'unshare', '--mount', '--propagation', 'private'],
    ...['sh', '-ec', [...mounts, `exec containerd --config ${directory}/containerd.toml`].join('; ')],
  ]);
  const ctr = (...args: readonly string[]): ReturnType<typeof runCommand> =>
    runCommand('ctr', ['--address', socket, ...args]);
  await until(
    'containerd answers',
    `${directory}/containerd.log`,
    async () => (await ctr('version')).exitCode === 0,
  );
  await importImage(socket, `${directory}/small-image`, SMALL_REPOSITORY);
  return pid;
}

async function startKubelet(place: NodePlace, containerd: number): Promise<void> {
  const { directory, socket, address } = place;
  await writeFile(`${directory}/kubelet.yaml`, kubeletConfig(place));
  await start(`${directory}/kubelet.log`, [
    // Each mounts what the other uses.
    ...['nsenter', '--target', String(containerd), '--net', '--mount', KUBELET],
    ...[`--config=${directory}/kubelet.yaml`, `--kubeconfig=${directory}/kubeconfig`],
    ...[`--hostname-override=${KUBELET_NODE}`, `--node-ip=${address}`],
    ...['--container-runtime=remote', `--container-runtime-endpoint=unix://${socket}`],
    ...[`--root-dir=${directory}/kubelet`, `--cert-dir=${directory}/kubelet-pki`],
  ]);
}

/** `nsenter`, `unshare` and `sh` become the program by exec. */
async function start(logPath: string, [program = '', ...args]: readonly string[]): Promise<number> {
  const log = await open(logPath, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  process.once('exit', () => child.kill('SIGKILL'));
  return child.pid ?? 0;
}

async function isNodeReady(plane: ControlPlane): Promise<boolean> {
  const { body } = await plane.admin.ask({ method: 'GET', path: `/api/v1/nodes/${KUBELET_NODE}` });
  return listOf(valueAt(body, ['status', 'conditions'])).some(
    (one) => textAt(one, ['type']) === 'Ready' && textAt(one, ['status']) === 'True',
  );
}

async function until(what: string, logPath: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    if (await isSo()) return;
    await sleep(100);
  }
  throw new Error(
    `not so within ${START_MS / 1000} s: ${what}\n${(await readFile(logPath, 'utf8')).slice(-3000)}`,
  );
}

/** First who starts others, then all that they started: by network, by cgroup, and shims by whose they are. */
async function endEverything({ cgroup, socket }: NodePlace, network: NodeNetwork): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    const shims: number[] = [];
    for (const pid of await allPids()) if ((await argumentsOf(pid)).includes(socket)) shims.push(pid);
    const pids = new Set([...(await network.pids()), ...(await pidsInCgroup(cgroup)), ...shims]);
    if (pids.size === 0) return;
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    await sleep(100);
  }
  throw new Error('processes of the node do not end');
}
