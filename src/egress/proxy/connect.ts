import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { writeFailure } from './answer.ts';
import type { Visit } from './guest.ts';
import { policyOf, tellFailure } from './guest.ts';
import type { Host } from './host-name.ts';
import { readAuthority } from './host-name.ts';
import { isIntercepted } from './matching.ts';
import { refusal } from './refusal.ts';
import { visitTls } from './tls-visit.ts';

/**
 * Answers CONNECT. What can be known to fail is told before the tunnel opens, where a status can still be
 * sent. Never throws.
 */
export async function connectGuest(
  visit: Visit & { readonly settled: () => void },
  socket: Socket,
  { request, head }: { readonly request: IncomingMessage; readonly head: Buffer },
): Promise<void> {
  let name = '';
  try {
    const host = connectedHost(request, policyOf(visit.guest).gateway);
    name = host.name;
    const far = await prepared(visit, host);
    if (socket.destroyed) {
      far?.destroy();
      return;
    }
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    // A ClientHello that came together with CONNECT.
    if (head.length > 0) socket.unshift(head);
    await visitTls(visit, socket, {
      host,
      settled: visit.settled,
      ...(far === undefined ? {} : { far }),
    });
  } catch (error) {
    visit.settled();
    tellFailure(visit, name, error);
    writeFailure(socket, error);
  }
}

/** The target alone says where to; a Host header may repeat it, or name this proxy as undici's ProxyAgent does. */
function connectedHost(request: IncomingMessage, proxy: string): Host {
  const at = readAuthority(request.url ?? '');
  if (at === undefined) throw refusal('BadHost', 'CONNECT needs a host and a port');
  if (at.port !== 443) throw refusal('PortRefused', 'tunnels lead to port 443 only');
  const { host: named } = request.headers;
  if (named !== undefined && ![at.host.name, proxy].includes(readAuthority(named)?.host.name ?? ''))
    throw refusal('HostMismatch', 'CONNECT and its Host header name two hosts');
  return at.host;
}

/** A connection for a host that is spliced; for others, everything that could refuse it, once. */
async function prepared({ guest }: Visit, host: Host): Promise<Socket | undefined> {
  const { dial, authority } = guest.parts;
  if (!isIntercepted(policyOf(guest), host.name)) return await dial.tcp(host, 443);
  await dial.addressesOf(host);
  authority.contextFor(guest.instance, host.name);
  return undefined;
}
