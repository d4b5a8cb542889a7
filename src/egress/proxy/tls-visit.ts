import type { Socket } from 'node:net';
import type { Policy } from '../policy.ts';
import type { Visit } from './guest.ts';
import { policyOf, tell, tellFailure } from './guest.ts';
import type { Host } from './host-name.ts';
import { readHost } from './host-name.ts';
import { intercept } from './intercept.ts';
import { isIntercepted } from './matching.ts';
import { readHello } from './read-hello.ts';
import type { Hello } from './read-hello.ts';
import { refusal } from './refusal.ts';
import { joinSockets } from './tunnel.ts';

const HTTPS = 443;

/**
 * A guest's TLS connection to `host`, known from CONNECT, or to the host that its ClientHello names. A host
 * that no grant covers is spliced, any other opened. `far` is a connection that was dialled for a splice.
 * Never throws; `settled` is called when the guest has said what it wants.
 */
export async function visitTls(
  visit: Visit,
  socket: Socket,
  to: { readonly host?: Host; readonly far?: Socket; readonly settled: () => void },
): Promise<void> {
  const named = to.host?.name ?? '';
  let host = named;
  try {
    const hello = await readHello(socket, visit.guest.parts.limits.helloMs);
    to.settled();
    const destination = hostOf(hello, to.host);
    host = destination.name;
    await enter(visit, socket, { hello, host: destination, far: to.far });
  } catch (error) {
    to.settled();
    tellFailure(visit, host, error);
    to.far?.destroy();
    socket.destroy();
  }
}

/** Where CONNECT named a host, the ClientHello has to name the same; only an address has no server name. */
function hostOf(hello: Hello, connected: Host | undefined): Host {
  const { serverName } = hello;
  if (serverName === undefined) {
    if (connected !== undefined) return connected;
    throw refusal('ServerNameMissing', 'without a server name nobody can tell where this is going');
  }
  const named = readHost(serverName);
  if (named?.is !== 'name') throw refusal('BadHost', 'the server name is not a host');
  if (connected !== undefined && connected.name !== named.name)
    throw refusal('HostMismatch', 'CONNECT and the ClientHello name two hosts');
  return named;
}

type Arrival = { readonly hello: Hello; readonly host: Host; readonly far: Socket | undefined };

async function enter(visit: Visit, socket: Socket, { hello, host, far }: Arrival): Promise<void> {
  // Asked now, not when CONNECT came: the policy may have been swapped in between.
  if (isIntercepted(policyOf(visit.guest), host.name)) {
    far?.destroy();
    await intercept(visit, socket, { hello, host });
    return;
  }
  const upstream = far ?? (await visit.guest.parts.dial.tcp(host, HTTPS));
  if (socket.destroyed) {
    upstream.destroy();
    return;
  }
  splice(visit, socket, { host, upstream });
}

function splice(
  visit: Visit,
  socket: Socket,
  { host, upstream }: { readonly host: Host; readonly upstream: Socket },
): void {
  const release = visit.guest.work.hold({
    // A host that a new grant covers has to be opened: closed here, the client comes back and is.
    isAllowed: (policy: Policy) => !isIntercepted(policy, host.name),
    close: () => {
      socket.destroy();
      upstream.destroy();
    },
  });
  socket.once('close', release);
  // The policy may have been swapped while we dialled; nothing of the guest's has been sent so far.
  if (isIntercepted(policyOf(visit.guest), host.name))
    throw refusal('PolicyChanged', 'the policy for this host has just changed');
  tell(visit, { host: host.name, verdict: 'spliced', reason: 'NoGrant' });
  // Either side may say that it has sent all and still listen.
  upstream.allowHalfOpen = true;
  joinSockets(socket, upstream, visit.guest.parts.limits.idleMs);
}
