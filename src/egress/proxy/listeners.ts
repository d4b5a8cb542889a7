import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { HypemanError, messageOf } from '../../errors.ts';
import type { ListenerPorts } from '../../machine/egress.ts';
import type { Way } from './guest.ts';

export type Listeners = { readonly ports: ListenerPorts; close(): Promise<void> };

export type Opening = {
  accept(way: Way, socket: Socket): void;
  /** Binds DNS over UDP on a port that TCP has on the same gateway. */
  bindUdp(port: number): Promise<UdpSocket>;
};

/** Another program may hold a UDP port whose TCP twin the kernel just gave us. */
const ATTEMPTS = 8;

/**
 * The listeners of one instance on its gateway, on ports that the kernel chooses. Throws `ListenFailed`
 * when the address is not on this host; nothing listens then.
 */
export async function openListeners(gateway: string, opening: Opening): Promise<Listeners> {
  const open: (Server | UdpSocket)[] = [];
  try {
    const ports = {
      explicit: portOf(await listen(gateway, 'explicit', opening, open)),
      tls: portOf(await listen(gateway, 'tls', opening, open)),
      http: portOf(await listen(gateway, 'http', opening, open)),
      dns: await listenForDns(gateway, opening, open),
    };
    return { ports, close: () => closeAll(open) };
  } catch (error) {
    await closeAll(open);
    throw new HypemanError('transient', 'ListenFailed', `cannot listen on ${gateway}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function listen(
  gateway: string,
  way: Way,
  opening: Opening,
  open: (Server | UdpSocket)[],
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
    opening.accept(way, socket);
  });
  open.push(server);
  server.listen({ host: gateway, port: 0, backlog: 512 });
  await once(server, 'listening');
  return server;
}

async function listenForDns(
  gateway: string,
  opening: Opening,
  open: (Server | UdpSocket)[],
): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = portOf(await listen(gateway, 'dns', opening, open));
    try {
      open.push(await opening.bindUdp(port));
      return port;
    } catch (error) {
      await closeAll(open.splice(-1));
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

async function closeAll(open: readonly (Server | UdpSocket)[]): Promise<void> {
  await Promise.all(
    open.map(
      (one) =>
        new Promise<void>((resolve) =>
          one.close(() => {
            resolve();
          }),
        ),
    ),
  );
}
