import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { HypemanError, messageOf } from '../../errors.ts';
import type { ListenerPorts } from '../../machine/egress.ts';
import type { Way } from './guest.ts';

export type Listeners = { readonly ports: ListenerPorts; close(): Promise<void> };

/**
 * Three listeners of one instance on its gateway, on ports that the kernel chooses. Throws `ListenFailed`
 * when the address is not on this host; nothing listens then.
 */
export async function openListeners(
  gateway: string,
  accept: (way: Way, socket: Socket) => void,
): Promise<Listeners> {
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  };
  const open = async (way: Way): Promise<number> => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
      accept(way, socket);
    });
    servers.push(server);
    server.listen({ host: gateway, port: 0, backlog: 512 });
    await once(server, 'listening');
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  };
  try {
    return {
      ports: { explicit: await open('explicit'), tls: await open('tls'), http: await open('http'), dns: 1 },
      close,
    };
  } catch (error) {
    await close();
    throw new HypemanError('transient', 'ListenFailed', `cannot listen on ${gateway}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
