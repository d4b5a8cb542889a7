import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Resolve } from '../ports.ts';
import type { Host } from './host-name.ts';
import { writtenHost } from './host-name.ts';
import { refusal } from './refusal.ts';

/** How the proxy reaches the world: always by a name it resolved and addresses it checked itself. */
export type Dial = {
  /** Throws `PrivateAddress` when any answer is not public, `NameNotFound` when there is none. */
  addressesOf(host: Host): Promise<readonly string[]>;
  tcp(host: Host, port: number): Promise<Socket>;
  /** Resolves when the certificate was verified for this host: before a byte of a request is sent. */
  tls(host: Host, port: number, protocols: readonly string[]): Promise<TLSSocket>;
};

type Outside = {
  readonly resolve: Resolve;
  readonly isPublicAddress: (address: string) => boolean;
  readonly trustStore: SecureContext;
  readonly dialMs: number;
};

/** A name with hundreds of dead addresses is not worth minutes. */
const MOST_ATTEMPTS = 3;

export function openDial(outside: Outside): Dial {
  const addressesOf = (host: Host) => checkedAddresses(host, outside);
  const tcp = async (host: Host, port: number) =>
    firstReachable(await addressesOf(host), port, outside.dialMs);
  const tls = async (host: Host, port: number, protocols: readonly string[]) =>
    secured(await tcp(host, port), { host, protocols, ...outside });
  return { addressesOf, tcp, tls };
}

async function checkedAddresses(host: Host, outside: Outside): Promise<readonly string[]> {
  const { resolve, isPublicAddress, dialMs } = outside;
  const answers = host.is === 'address' ? [host.name] : await resolved(resolve, host.name, dialMs);
  if (answers.length === 0) throw refusal('NameNotFound', `${host.name} has no address`);
  // All of them, not the one we would dial: a mixed answer is how a guest aims at the host's neighbours.
  if (!answers.every((answer) => isIP(answer) !== 0 && isPublicAddress(answer)))
    throw refusal('PrivateAddress', `${host.name} is not on the public internet`);
  // IPv4 first: many hosts have no route for IPv6.
  return answers.toSorted((a, b) => isIP(a) - isIP(b)).slice(0, MOST_ATTEMPTS);
}

async function resolved(resolve: Resolve, name: string, ms: number): Promise<readonly string[]> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(refusal('NameNotFound', `${name} was not resolved in time`));
  }, ms);
  try {
    return await Promise.race([resolve(name), late]);
  } catch (error) {
    throw refusal('NameNotFound', `${name} cannot be resolved`, error);
  } finally {
    clearTimeout(timer);
  }
}

async function firstReachable(addresses: readonly string[], port: number, ms: number): Promise<Socket> {
  let last: unknown;
  for (const address of addresses) {
    const socket = connect({ host: address, port, noDelay: true });
    try {
      await within(socket, 'connect', ms);
      return socket;
    } catch (error) {
      last = error;
    }
  }
  if (last instanceof Error && last.name === 'AbortError')
    throw refusal('ConnectTimeout', 'the destination does not answer', last);
  throw refusal('ConnectFailed', 'the destination refuses connections', last);
}

async function secured(
  socket: Socket,
  to: Outside & { readonly host: Host; readonly protocols: readonly string[] },
): Promise<TLSSocket> {
  const secure = connectTls({
    socket,
    secureContext: to.trustStore,
    ALPNProtocols: [...to.protocols],
    // What the certificate is checked against. No server name for an address (RFC 6066 section 3).
    host: to.host.name,
    ...(to.host.is === 'name' ? { servername: to.host.name } : {}),
  });
  try {
    await within(secure, 'secureConnect', to.dialMs);
    return secure;
  } catch (error) {
    throw tlsFailure(error, writtenHost(to.host));
  }
}

function tlsFailure(error: unknown, host: string): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (error instanceof Error && error.name === 'AbortError')
    return refusal('ConnectTimeout', `${host} did not finish the TLS handshake`, error);
  // OpenSSL's X.509 verdicts and Node's name check; anything else is the handshake itself.
  if (/CERT|SIGNATURE|CRL|HOSTNAME|ISSUER/.test(code) && !code.startsWith('ERR_SSL'))
    return refusal('UpstreamCertificate', `the certificate of ${host} is not valid for it`, error);
  return refusal('UpstreamTls', `${host} does not speak TLS that we accept`, error);
}

/** Waits for an event of a socket; destroys it on an error or when the time is over. */
async function within(socket: Socket, event: string, ms: number): Promise<void> {
  // Errors that come later close the socket, which its user sees; without a listener they end the process.
  socket.on('error', () => socket.destroy());
  const ended = new AbortController();
  const timer = setTimeout(() => {
    ended.abort();
  }, ms);
  const onClose = (): void => {
    ended.abort();
  };
  socket.once('close', onClose);
  try {
    await once(socket, event, { signal: ended.signal });
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('close', onClose);
  }
}
