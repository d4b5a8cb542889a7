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
  /** Of this machine too, and nobody's private network: guests may reach it through their proxy. */
  readonly outside: string;
  /** Everything that runs in it: what the node started, and what its agents did. */
  pids(): Promise<readonly number[]>;
  close(): Promise<void>;
};

/** The first address of the range that `startControlPlane` gives to Services: where each Pod finds the API server. */
export const API_SERVER = '10.96.0.1';

/**
 * Nothing of this machine's network is touched but for the cable. In place of kube-proxy, the one Service that
 * Pods need leads to this end of it, and from here to the API server.
 */
export async function openNodeNetwork(apiServerPort: number): Promise<NodeNetwork> {
  const namespace = `hmnode-${process.pid}`;
  const cable = `hmn${process.pid}`;
  const net = `10.${88 + ((process.pid >> 8) & 7)}.${process.pid & 255}`;
  const [gateway, address] = [`${net}.1`, `${net}.2`];
  const outside = `11.${(process.pid >> 8) & 255}.${process.pid & 255}.1`;
  let server: Relay | undefined;
  const close = async (): Promise<void> => {
    await server?.close();
    await runCommand('ip', ['link', 'del', cable]);
    await runCommand('ip', ['netns', 'del', namespace]);
  };
  try {
    await commandOutput('ip', ['netns', 'add', namespace]);
    await batch([
      `link add ${cable} type veth peer name eth0 netns ${namespace}`,
      `address add ${gateway}/24 dev ${cable}`,
      `address add ${outside}/32 dev ${cable}`,
      `link set ${cable} up`,
    ]);
    await batch(
      [
        ...['link set lo up', 'link set eth0 up', `address add ${address}/24 dev eth0`],
        `route add default via ${gateway}`,
      ],
      namespace,
    );
    server = await relay(gateway, apiServerPort);
    await commandOutput('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], {
      input: serviceTable(`${gateway}:${server.port}`),
    });
    return {
      ...{ namespace, address, gateway, outside },
      pids: async () => {
        const text = await commandOutput('ip', ['netns', 'pids', namespace]);
        return text.split('\n').filter(Boolean).map(Number);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** From the node itself, and from Pods with an address of their own. */
function serviceTable(to: string): string {
  const chains = ['output', 'prerouting'].map(
    (hook) =>
      `chain ${hook} { type nat hook ${hook} priority -100; ip daddr ${API_SERVER} tcp dport 443 dnat to ${to}; }`,
  );
  return `table ip services {\n${chains.join('\n')}\n}\n`;
}

async function batch(lines: readonly string[], namespace?: string): Promise<void> {
  const inside = namespace === undefined ? [] : ['-netns', namespace];
  await commandOutput('ip', [...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

type Relay = { readonly port: number; close(): Promise<void> };

async function relay(host: string, to: number): Promise<Relay> {
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
  server.listen(0, host);
  await once(server, 'listening');
  const at = server.address();
  return {
    port: typeof at === 'object' && at !== null ? at.port : 0,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
