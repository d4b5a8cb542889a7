import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Visit } from './guest.ts';
import { tell } from './guest.ts';
import type { Host } from './host-name.ts';
import { serveHttp1 } from './http1-server.ts';
import { serveHttp2 } from './http2-server.ts';
import type { Protocol } from './http2-pool.ts';
import { isIntercepted } from './matching.ts';
import type { Hello } from './read-hello.ts';

/** bad_certificate 42, certificate_unknown 46, unknown_ca 48 (RFC 8446 section 6.2), as OpenSSL spells them. */
const NOT_TRUSTED = /ALERT_(?:BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA)$/;

/**
 * Ends the guest's TLS with a leaf for exactly this host and serves HTTP on what comes out. The guest is
 * offered what the upstream speaks, so that nothing has to be translated from one HTTP to the other.
 */
export async function intercept(
  visit: Visit,
  socket: Socket,
  { hello, host }: { readonly hello: Hello; readonly host: Host },
): Promise<void> {
  const protocol = await protocolFor(visit, hello, host);
  if (socket.destroyed) return;
  const { authority, limits } = visit.guest.parts;
  // Inherited by the TLS on top, where a guest that leaves would otherwise not be noticed.
  socket.allowHalfOpen = false;
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: authority.contextFor(visit.guest.instance, host.name),
    ...(hello.protocols.includes(protocol) ? { ALPNProtocols: [protocol] } : {}),
  });
  secure.disableRenegotiation();
  const release = visit.guest.work.hold({
    isAllowed: (policy) => isIntercepted(policy, host.name),
    close: () => {
      secure.destroy();
      socket.destroy();
    },
  });
  // A server's TLSSocket of one's own has no handshake timeout (facts/egress.md 3.3).
  const timer = setTimeout(() => {
    tell(visit, { host: host.name, verdict: 'refused', reason: 'HandshakeTimeout' });
    secure.destroy();
  }, limits.helloMs);
  secure.once('close', () => {
    clearTimeout(timer);
    release();
    socket.destroy();
  });
  secure.on('error', (error: Error) => {
    if ('code' in error && NOT_TRUSTED.test(String(error.code)))
      tell(visit, { host: host.name, verdict: 'failed', reason: 'PinnedOrUntrustedCA' });
    secure.destroy();
  });
  secure.once('secure', () => {
    clearTimeout(timer);
    if (secure.alpnProtocol === 'h2') serveHttp2({ ...visit, host }, secure);
    else serveHttp1({ ...visit, host }, secure);
  });
}

async function protocolFor({ guest }: Visit, hello: Hello, host: Host): Promise<Protocol> {
  if (!hello.protocols.includes('h2')) return 'http/1.1';
  try {
    return await guest.http2.protocolOf(host);
  } catch {
    // The guest gets a proper answer to its request, which will meet the same failure.
    return hello.protocols.includes('http/1.1') ? 'http/1.1' : 'h2';
  }
}
