import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { commandOutput, runCommand } from '../../src/host/exec.ts';

/** A network namespace that is a node's network, on a cable to this machine. */
export type NodeNetwork = {
  readonly namespace: string;
  /** The node's own. */
  readonly address: string;
  /** Of this machine, as the node sees it. */
  readonly gateway: string;
  /** Everything that runs in it: what the node started, and what its agents did. */
  pids(): Promise<readonly number[]>;
  close(): Promise<void>;
};

/** The first address of the range that `startControlPlane` gives to Services: where each Pod finds the API server. */
export const API_SERVER = '10.96.0.1';

/**
 * Nothing of this machine's network is touched but for the cable. In place of kube-proxy, the one Service that
 * Pods need is served at this end of it.
 */
export async function openNodeNetwork(apiServerPort: number): Promise<NodeNetwork> {
  const namespace = `hmnode-${process.pid}`;
  const cable = `hmn${process.pid}`;
  const net = `10.${88 + ((process.pid >> 8) & 7)}.${process.pid & 255}`;
  const [gateway, address] = [`${net}.1`, `${net}.2`];
  await commandOutput('ip', ['netns', 'add', namespace]);
  await batch([
    `link add ${cable} type veth peer name eth0 netns ${namespace}`,
    `address add ${gateway}/24 dev ${cable}`,
    `address add ${API_SERVER}/32 dev ${cable}`,
    `link set ${cable} up`,
  ]);
  await batch(
    [
      'link set lo up',
      'link set eth0 up',
      `address add ${address}/24 dev eth0`,
      `route add default via ${gateway}`,
    ],
    namespace,
  );
  const server = await relay(API_SERVER, 443, apiServerPort);
  return {
    namespace,
    address,
    gateway,
    pids: async () => {
      const text = await commandOutput('ip', ['netns', 'pids', namespace]);
      return text.split('\n').filter(Boolean).map(Number);
    },
    close: async () => {
      await server.close();
      await runCommand('ip', ['link', 'del', cable]);
      await runCommand('ip', ['netns', 'del', namespace]);
    },
  };
}

async function batch(lines: readonly string[], namespace?: string): Promise<void> {
  const inside = namespace === undefined ? [] : ['-netns', namespace];
  await commandOutput('ip', [...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

async function relay(host: string, port: number, to: number): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
