import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Decision } from '../../src/egress/audit.ts';
import { openAuthority } from '../../src/egress/authority/open-authority.ts';
import type { OwnedAuthority } from '../../src/egress/authority/open-authority.ts';
import { openPolicies } from '../../src/egress/policies.ts';
import type { OwnedPolicies } from '../../src/egress/policies.ts';
import type { ListenerPorts } from '../../src/machine/egress.ts';
import type { Grant, Policy } from '../../src/egress/policy.ts';
import type { Limits } from '../../src/egress/proxy/limits.ts';
import { openProxy } from '../../src/egress/proxy/open-proxy.ts';
import type { Proxy, ProxyOptions } from '../../src/egress/proxy/open-proxy.ts';
import { trustStoreOf } from '../../src/egress/proxy/trust-store.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { openUpstream } from './egress-upstream.ts';
import type { Upstream, UpstreamOptions } from './egress-upstream.ts';

export const VALUE = 'real-secret-0001';

/** The grant that most tests use; change what matters. */
export function grant(changes: Partial<Omit<Grant, 'value'>> & { value?: string } = {}): Grant {
  return {
    credential: 'API_KEY',
    sourceEnv: 'REAL_API_KEY',
    hosts: ['api.test'],
    header: 'authorization',
    format: 'Bearer ${value}',
    when: 'always',
    placeholder: 'mock-API_KEY',
    ...changes,
    value: new Secret(changes.value ?? VALUE),
  };
}

export type GuestEnd = {
  readonly policy: Policy;
  readonly ports: ListenerPorts;
  readonly address: string;
  /** Replaces the grants; in force when it returns. */
  put(grants: readonly Grant[]): void;
  /** A plain connection to one of the instance's listeners, from the guest's address or another. */
  dial(way: keyof ListenerPorts, from?: string): Promise<Socket>;
  /** CONNECT and TLS; without a server name when `sni` is empty. */
  tunnel(host: string, options?: TunnelOptions): Promise<TLSSocket>;
  /** TLS to the listener of redirected connections. */
  redirected(host: string, options?: TunnelOptions): Promise<TLSSocket>;
  get(host: string, options?: RequestOptions & { body?: string }): Promise<Answer>;
  http2(host: string): Promise<ClientHttp2Session>;
};
export type TunnelOptions = { readonly sni?: string; readonly alpn?: readonly string[] };
export type Answer = {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
  readonly raw: readonly string[];
};

export type Lab = {
  readonly proxy: Proxy;
  readonly policies: OwnedPolicies;
  readonly authority: OwnedAuthority;
  readonly decisions: Decision[];
  /** What names resolve to; an upstream adds its own. */
  readonly names: Map<string, readonly string[]>;
  readonly asked: string[];
  upstream(hosts: readonly string[], options?: UpstreamOptions): Promise<Upstream>;
  guest(grants: readonly Grant[], name?: string): Promise<GuestEnd>;
  /** A context for an upstream as the CA that the proxy trusts would have made it at that time. */
  contextAt(host: string, at: number): SecureContext;
  /** The reasons told so far. */
  reasons(): readonly string[];
  /** DNS questions that were answered. */
  resolved(): number;
  close(): Promise<void>;
};

export type LabOptions = {
  readonly limits?: Partial<Limits>;
  readonly isPublicAddress?: (address: string) => boolean;
  readonly names?: ProxyOptions['names'];
};

let used = 0;
/** Loopback addresses that no other test process uses: ports 443 and 80 are needed on each. */
export function freshAddress(): string {
  used += 1;
  return `127.${(process.pid % 200) + 20}.${(process.pid >> 8) & 255}.${used}`;
}

/** The proxy with a real authority, upstreams and guests, all on loopback. Needs the right to bind port 443. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const directory = await mkdtemp(join(tmpdir(), 'hm-egress-'));
  const authority = await openAuthority({ directory: join(directory, 'guests') });
  let worldTime: number | undefined;
  const world = await openAuthority({
    directory: join(directory, 'world'),
    now: () => worldTime ?? Date.now(),
  });
  const policies = openPolicies();
  const decisions: Decision[] = [];
  const names = new Map<string, readonly string[]>();
  const asked: string[] = [];
  let resolved = 0;
  const proxy = await openProxy({
    policies,
    authority,
    audit: { decided: (decision) => decisions.push(decision), resolved: () => (resolved += 1) },
    resolve: (name) => {
      asked.push(name);
      return Promise.resolve(names.get(name) ?? []);
    },
    trustStore: trustStoreOf(await world.open('world')),
    isPublicAddress: options.isPublicAddress ?? (() => true),
    limits: options.limits ?? {},
    ...(options.names === undefined ? {} : { names: options.names }),
  });
  const closing: (() => Promise<void>)[] = [];
  const upstream: Lab['upstream'] = async (hosts, how = {}) => {
    const address = freshAddress();
    const context = how.contextFor ?? ((host: string) => world.contextFor('world', host));
    const opened = await openUpstream(address, { ...how, contextFor: context });
    for (const host of hosts) names.set(host, [address]);
    closing.push(opened.close);
    return opened;
  };
  const guest: Lab['guest'] = async (grants, name = 'one') => {
    const policy: Policy = {
      instance: name,
      key: `default/${name}`,
      guest: freshAddress(),
      gateway: freshAddress(),
      mode: 'all',
      generation: 1,
      grants,
    };
    await authority.open(name);
    const ports = await proxy.listen(policy);
    policies.swap(policy);
    return guestEnd(policy, ports, { authority, policies });
  };
  return {
    ...{ proxy, policies, authority, decisions, names, asked, upstream, guest },
    contextAt: (host, at) => {
      worldTime = at;
      const context = world.contextFor('world', host);
      worldTime = undefined;
      return context;
    },
    resolved: () => resolved,
    reasons: () => decisions.map((decision) => decision.reason),
    close: async () => {
      await proxy.close();
      for (const close of closing) await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function guestEnd(policy: Policy, ports: ListenerPorts, lab: Pick<Lab, 'authority' | 'policies'>): GuestEnd {
  const dial: GuestEnd['dial'] = async (way, from = policy.guest) => {
    const socket = connect({ host: policy.gateway, port: ports[way], localAddress: from });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const secure = async (socket: Socket, host: string, options: TunnelOptions): Promise<TLSSocket> => {
    const sni = options.sni ?? host;
    const tls = connectTls({
      socket,
      ca: lab.authority.certificateOf(policy.instance),
      host,
      ...(sni === '' ? {} : { servername: sni }),
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
      ALPNProtocols: [...(options.alpn ?? ['http/1.1'])],
    });
    tls.on('error', () => undefined);
    await once(tls, 'secureConnect');
    return tls;
  };
  const tunnel: GuestEnd['tunnel'] = async (host, options = {}) => {
    const socket = await dial('explicit');
    const name = host.includes(':') ? `[${host}]` : host;
    socket.write(`CONNECT ${name}:443 HTTP/1.1\r\nHost: ${name}:443\r\n\r\n`);
    const head = await readUntil(socket, /\r\n\r\n/);
    if (!head.startsWith('HTTP/1.1 200')) throw new Error(head);
    return secure(socket, host, options);
  };
  return {
    ...{ policy, ports, address: policy.guest, dial, tunnel },
    put: (grants) => {
      lab.policies.swap({ ...policy, grants });
    },
    redirected: async (host, options = {}) => secure(await dial('tls'), host, options),
    get: async (host, options = {}) => {
      const socket = await tunnel(host);
      try {
        return await send(
          socket,
          { ...options, headers: { host, ...asObject(options.headers) } },
          options.body,
        );
      } finally {
        socket.destroy();
      }
    },
    http2: async (host) => {
      const socket = await tunnel(host, { alpn: ['h2', 'http/1.1'] });
      const session = connectHttp2(`https://${host}`, { createConnection: () => socket });
      session.on('error', () => undefined);
      return session;
    },
  };
}

/** One request on a connection that is open already. */
export async function send(socket: Socket, options: RequestOptions, body?: string): Promise<Answer> {
  const request = httpRequest({ ...options, createConnection: () => socket });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(chunks).toString(),
    headers: response.headers,
    raw: response.rawHeaders,
  };
}

/** What came until it matches, or until the other side closed. */
export function readUntil(socket: Socket, wanted: RegExp | 'close', ms = 5000): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  const done = (): void => {
    clearTimeout(timer);
    socket.off('data', onData).off('close', done).off('end', done);
    resolve(text);
  };
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    if (wanted !== 'close' && wanted.test(text)) done();
  };
  const timer = setTimeout(done, ms);
  socket.on('data', onData).once('close', done).once('end', done);
  if (socket.destroyed || socket.readableEnded) done();
  return promise;
}

/** Sends bytes and returns all that comes back until the connection closes or rests. */
export async function raw(
  socket: Socket,
  bytes: string,
  wanted: RegExp | 'close' = 'close',
  ms = 5000,
): Promise<string> {
  socket.write(bytes, 'latin1');
  return readUntil(socket, wanted, ms);
}

function asObject(headers: RequestOptions['headers']): Record<string, string | string[] | undefined> {
  return headers === undefined || Array.isArray(headers) ? {} : (headers as Record<string, string>);
}
