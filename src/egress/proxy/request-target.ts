import type { IncomingMessage } from 'node:http';
import type { Host, HostAndPort } from './host-name.ts';
import { readAuthority } from './host-name.ts';
import { pairsOf } from './outgoing.ts';
import { refusal } from './refusal.ts';

/** Where a request goes and what it asks for there, byte for byte as the guest wrote it. */
export type Target = { readonly host: Host; readonly path: string };

/**
 * What Node's parser lets through and we do not (facts/egress.md, rows 27, 28 and 51): other versions, no
 * Host or two, a transfer coding besides `chunked`. Throws `BadRequest`.
 */
export function checkFraming(request: IncomingMessage): void {
  if (request.httpVersion !== '1.1' && request.httpVersion !== '1.0')
    throw refusal('BadRequest', 'only HTTP/1.1 and HTTP/1.0 are spoken here');
  const codings = valuesOf(request, 'transfer-encoding');
  if (codings.length > 1 || codings.some((coding) => coding.trim().toLowerCase() !== 'chunked'))
    throw refusal('BadRequest', 'Transfer-Encoding has to be "chunked"');
  if (codings.length > 0 && (request.httpVersion === '1.0' || valuesOf(request, 'content-length').length > 0))
    throw refusal('BadRequest', 'the length of the body is told in two ways');
  if (valuesOf(request, 'host').length !== 1) throw refusal('BadRequest', 'exactly one Host is needed');
}

/** The target inside a tunnel whose host is settled: Host and an absolute form have to agree with it. */
export function targetInTunnel(request: IncomingMessage, host: Host): Target {
  checkFraming(request);
  const named = hostField(request);
  if (!isHttpsAt(named, host))
    throw refusal('HostMismatch', 'the Host header names another host than this connection');
  const url = request.url ?? '';
  if (isOriginForm(request, url)) return { host, path: url };
  const absolute = readAbsolute(url);
  if (absolute?.scheme !== 'https' || !isHttpsAt(absolute.at, host))
    throw refusal('BadRequest', 'the request target is not of this connection');
  return { host, path: absolute.path };
}

/** The target of a plain request to the explicit proxy: `http://host/path`. */
export function targetOfAbsolute(request: IncomingMessage): Target {
  checkFraming(request);
  const url = request.url ?? '';
  if (/^(?:https|wss):/i.test(url))
    throw refusal('TlsStripping', 'https goes through CONNECT: a request in clear is not turned into TLS');
  const absolute = readAbsolute(url);
  if (absolute?.scheme !== 'http') throw refusal('BadRequest', 'a proxy is asked for http://host/path');
  if ((absolute.at.port ?? 80) !== 80) throw refusal('PortRefused', 'plain HTTP goes to port 80 only');
  const named = hostField(request);
  if (named.host.name !== absolute.at.host.name || (named.port ?? 80) !== 80)
    throw refusal('HostMismatch', 'the Host header and the request target name two hosts');
  return { host: absolute.at.host, path: absolute.path };
}

/** The target of a plain request that was redirected here: its Host header decides. */
export function targetOfPlain(request: IncomingMessage): Target {
  checkFraming(request);
  const url = request.url ?? '';
  if (!isOriginForm(request, url)) return targetOfAbsolute(request);
  const named = hostField(request);
  if ((named.port ?? 80) !== 80) throw refusal('PortRefused', 'plain HTTP goes to port 80 only');
  return { host: named.host, path: url };
}

/** Whether an authority is this host on the port of https. */
export function isHttpsAt(at: HostAndPort, host: Host): boolean {
  return at.host.name === host.name && (at.port ?? 443) === 443;
}

function isOriginForm(request: IncomingMessage, url: string): boolean {
  return url.startsWith('/') || (url === '*' && request.method === 'OPTIONS');
}

function hostField(request: IncomingMessage): HostAndPort {
  const at = readAuthority(request.headers.host ?? '');
  if (at === undefined) throw refusal('BadHost', 'the Host header is not a host');
  return at;
}

function readAbsolute(url: string) {
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/.exec(url);
  const at = readAuthority(parts?.[2] ?? '');
  if (parts === null || at === undefined) return undefined;
  const rest = parts[3] ?? '';
  return { scheme: parts[1]?.toLowerCase(), at, path: rest.startsWith('/') ? rest : `/${rest}` };
}

function valuesOf(request: IncomingMessage, header: string): readonly string[] {
  return pairsOf(request.rawHeaders)
    .filter(([name]) => name.toLowerCase() === header)
    .map(([, value]) => value);
}
