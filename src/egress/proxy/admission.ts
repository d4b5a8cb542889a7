import type { Socket } from 'node:net';
import { serveDnsOverTcp } from '../dns/serve-dns.ts';
import type { GuestDns } from '../dns/guest-dns.ts';
import { writeFailure } from './answer.ts';
import { connectGuest } from './connect.ts';
import type { Guest, Visit, Way } from './guest.ts';
import { policyOf, tellFailure } from './guest.ts';
import { serveHttp1 } from './http1-server.ts';
import { failureOf, refusal } from './refusal.ts';
import { visitTls } from './tls-visit.ts';

/** Lets connections in to one instance's listeners, or not. */
export class Admission {
  readonly #guest: Guest;
  readonly #dns: GuestDns;
  #connections = 0;
  #pending = 0;

  constructor(guest: Guest, dns: GuestDns) {
    this.#guest = guest;
    this.#dns = dns;
  }

  /** Takes a connection that came in on a listener of this instance. Never throws. */
  accept(way: Way, socket: Socket): void {
    const visit = { guest: this.#guest, way };
    // Errors end in `close`, which all that follows watches.
    socket.on('error', () => socket.destroy());
    try {
      this.#check(socket);
    } catch (error) {
      refuse(visit, socket, error);
      return;
    }
    this.#enter(visit, socket);
  }

  /** The listener's port tells the instance; the source address has to say the same. */
  #check(socket: Socket): void {
    const policy = policyOf(this.#guest);
    if (addressOf(socket) !== policy.guest)
      throw refusal('ForeignAddress', 'this listener serves another address');
    const { connections, pending } = this.#guest.parts.limits;
    if (this.#connections >= connections || this.#pending >= pending)
      throw refusal('TooManyConnections', 'this instance has too many connections open');
  }

  #enter(visit: Visit, socket: Socket): void {
    const address = addressOf(socket);
    const release = this.#guest.work.hold({
      isAllowed: (policy) => policy.guest === address,
      close: () => socket.destroy(),
    });
    this.#connections += 1;
    const settled = this.#pendingUntilSettled();
    socket.once('close', () => {
      this.#connections -= 1;
      settled();
      release();
    });
    if (visit.way === 'dns') serveDnsOverTcp({ dns: this.#dns, settled }, socket);
    else serve({ ...visit, way: visit.way, settled }, socket);
  }

  #pendingUntilSettled(): () => void {
    let isPending = true;
    this.#pending += 1;
    return () => {
      if (!isPending) return;
      isPending = false;
      this.#pending -= 1;
    };
  }
}

type HttpVisit = Visit & { readonly way: Exclude<Way, 'dns'>; readonly settled: () => void };

function serve(visit: HttpVisit, socket: Socket): void {
  switch (visit.way) {
    case 'tls':
      void visitTls(visit, socket, { settled: visit.settled });
      return;
    case 'http':
      serveHttp1(visit, socket);
      return;
    case 'explicit':
      serveHttp1(
        {
          ...visit,
          connect: (request, from, head) => {
            void connectGuest(visit, from, { request, head });
          },
        },
        socket,
      );
  }
}

function refuse(visit: Visit, socket: Socket, error: unknown): void {
  tellFailure(visit, '', error);
  // Who is not our guest gets no answer; in TLS and DNS there is none to give.
  if (visit.way === 'tls' || visit.way === 'dns' || failureOf(error).reason === 'ForeignAddress')
    socket.destroy();
  else writeFailure(socket, error);
}

function addressOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}
