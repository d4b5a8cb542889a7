import { connect } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  ClientSessionRequestOptions,
  OutgoingHttpHeaders,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Dial } from './dial.ts';
import type { Host } from './host-name.ts';
import { writtenHost } from './host-name.ts';
import type { Limits } from './limits.ts';
import { refusal } from './refusal.ts';

export type Protocol = 'h2' | 'http/1.1';

/** HTTP/2 connections to upstreams for one instance, and what each host was seen to speak. */
export type Http2Pool = {
  /** What the host chose when both were offered; dials the first time and keeps that connection for use. */
  protocolOf(host: Host): Promise<Protocol>;
  /**
   * A connection with room for one more stream, to be used in the same turn of the event loop. Throws
   * `UpstreamProtocol` when the host no longer speaks HTTP/2.
   */
  lane(host: Host): Promise<Lane>;
  close(): void;
};

export type Lane = {
  request(headers: OutgoingHttpHeaders, options: ClientSessionRequestOptions): ClientHttp2Stream;
};

type Open = { readonly session: ClientHttp2Session; streams: number };

/** Larger than the 64 KiB of RFC 9113, which caps one stream at 64 KiB per round trip. */
const WINDOW = 1_048_576;
const MOST_HOSTS = 1_000;

/** `other` takes connections to hosts that turned out to speak HTTP/1.1. */
export function openHttp2Pool(
  dial: Dial,
  limits: Limits,
  other: (host: Host, socket: TLSSocket) => void,
): Http2Pool {
  const sessions = new Map<string, Set<Open>>();
  const spoken = new Map<string, Protocol>();
  const dialling = new Map<string, Promise<Protocol>>();

  const opened = async (host: Host): Promise<Protocol> => {
    const socket = await dial.tls(host, 443, ['h2', 'http/1.1']);
    const protocol = socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1';
    if (spoken.size >= MOST_HOSTS) spoken.clear();
    spoken.set(host.name, protocol);
    if (protocol === 'h2') keep(sessions, host, sessionOver(socket, host), limits);
    else other(host, socket);
    return protocol;
  };
  // Many streams that start at once share one handshake.
  const dialOnce = (host: Host): Promise<Protocol> => {
    const known = dialling.get(host.name);
    if (known !== undefined) return known;
    const dialled = opened(host).finally(() => dialling.delete(host.name));
    dialling.set(host.name, dialled);
    return dialled;
  };
  return {
    protocolOf: async (host) => spoken.get(host.name) ?? (await dialOnce(host)),
    lane: async (host) => {
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const free = [...(sessions.get(host.name) ?? [])].find(hasRoom);
        if (free !== undefined) return laneOf(free);
        if ((await dialOnce(host)) !== 'h2') break;
      }
      throw refusal('UpstreamProtocol', `${writtenHost(host)} does not speak HTTP/2 now`);
    },
    close: () => {
      for (const { session } of [...sessions.values()].flatMap((set) => [...set])) session.destroy();
    },
  };
}

function sessionOver(socket: TLSSocket, host: Host): ClientHttp2Session {
  const session = connect(`https://${writtenHost(host)}`, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: WINDOW },
  });
  session.once('connect', () => {
    session.setLocalWindowSize(WINDOW);
  });
  return session;
}

function keep(
  sessions: Map<string, Set<Open>>,
  host: Host,
  session: ClientHttp2Session,
  limits: Limits,
): void {
  const open: Open = { session, streams: 0 };
  const set = sessions.get(host.name) ?? new Set();
  sessions.set(host.name, set.add(open));
  const forget = (): void => {
    set.delete(open);
    if (set.size === 0 && sessions.get(host.name) === set) sessions.delete(host.name);
  };
  session.on('close', forget);
  session.on('goaway', forget);
  session.on('error', forget);
  session.setTimeout(limits.keepAliveMs, () => {
    if (open.streams === 0) session.close();
  });
}

/** A stream beyond what the server allows would be queued, and an old secret with it. */
function hasRoom({ session, streams }: Open): boolean {
  const most = session.remoteSettings.maxConcurrentStreams ?? 100;
  return !session.closed && !session.destroyed && streams < most;
}

function laneOf(open: Open): Lane {
  return {
    request: (headers, options) => {
      const stream = open.session.request(headers, options);
      open.streams += 1;
      stream.once('close', () => {
        open.streams -= 1;
      });
      return stream;
    },
  };
}
