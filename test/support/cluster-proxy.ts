import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import type { Socket } from 'node:net';

/** A TCP relay in front of a server, for the ways in which networks fail. */
export type FlakyProxy = {
  readonly port: number;
  /** Connections stay open, and nothing passes any more, in either direction; new ones are taken and hang. */
  stall(): void;
  /** Everything passes again, also what waited. */
  resume(): void;
  /** Closes every connection. */
  cut(): void;
  /** The way back is lost for good on connections that are open now; new ones work: a half-open link. */
  deafen(): void;
  connections(): number;
  close(): Promise<void>;
};

export async function startFlakyProxy(to: number): Promise<FlakyProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isStalled = false;
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [upstream, client] as const]) {
      one.on('data', (chunk) => other.write(chunk));
      one.on('error', () => other.destroy());
      one.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
      if (isStalled) one.pause();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const each = (act: (socket: Socket) => void): void => {
    for (const pair of pairs) pair.forEach(act);
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    stall: () => {
      isStalled = true;
      each((socket) => socket.pause());
    },
    resume: () => {
      isStalled = false;
      each((socket) => socket.resume());
    },
    cut: () => {
      each((socket) => socket.destroy());
    },
    deafen: () => {
      for (const [, upstream] of pairs) upstream.removeAllListeners('data').on('data', () => undefined);
    },
    connections: () => pairs.size,
    close: async () => {
      each((socket) => socket.destroy());
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
