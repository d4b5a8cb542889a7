import { HypemanError } from '../errors.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';

/** What can be asked on the control socket. `path` is absolute, in the guest; `mode` as in chmod(2). */
export type Route =
  | { readonly is: 'ping' }
  | { readonly is: 'exec'; readonly key: InstanceKey }
  | MemoryRoute
  | EgressRoute
  | FileRoute;

export type MemoryRoute = { readonly is: 'memory'; readonly key: InstanceKey };

export type EgressRoute =
  /** Of one instance, or of all. */
  | { readonly is: 'decisions'; readonly key?: InstanceKey; readonly follow: boolean }
  | { readonly is: 'counters'; readonly key: InstanceKey };

export type FileRoute =
  | { readonly is: 'stat'; readonly key: InstanceKey; readonly path: string }
  | { readonly is: 'read'; readonly key: InstanceKey; readonly path: string }
  | WriteRoute;

export type WriteRoute = {
  readonly is: 'write';
  readonly key: InstanceKey;
  readonly path: string;
  readonly mode: number;
};

export const PING_PATH = '/v1/ping';

/** The decisions about every instance. */
export const DECISIONS_PATH = '/v1/decisions';

type Verb = 'exec' | 'stat' | 'file' | 'decisions' | 'counters' | 'memory';

/** The path of one verb for one instance; arguments go into the query. */
export function instancePath(key: InstanceKey, verb: Verb): string {
  return `/v1/instances/${key}/${verb}`;
}

const INSTANCE_PATH =
  /^\/v1\/instances\/([a-z0-9-]{1,63})\/([a-z0-9-]{1,63})\/(exec|stat|file|decisions|counters|memory)$/;
const DEFAULT_MODE = 0o644;

/** What a request line asks for. Throws `NoSuchRoute`, or `BadRequest` for an argument that cannot be. */
export function routeOf(method: string, target: string): Route {
  const url = new URL(target, 'http://controller');
  if (method === 'GET' && url.pathname === PING_PATH) return { is: 'ping' };
  if (method === 'GET' && url.pathname === DECISIONS_PATH) return { is: 'decisions', follow: followIn(url) };
  const match = INSTANCE_PATH.exec(url.pathname);
  if (match === null) throw noSuchRoute(method, url);
  const [, namespace = '', name = '', verb = ''] = match;
  return instanceRoute(`${method} ${verb}`, keyOf(namespace, name), url);
}

function instanceRoute(request: string, key: InstanceKey, url: URL): Route {
  switch (request) {
    case 'POST exec':
      return { is: 'exec', key };
    case 'GET stat':
      return { is: 'stat', key, path: pathOf(url) };
    case 'GET file':
      return { is: 'read', key, path: pathOf(url) };
    case 'PUT file':
      return { is: 'write', key, path: pathOf(url), mode: modeOf(url) };
    case 'GET decisions':
      return { is: 'decisions', key, follow: followIn(url) };
    case 'GET counters':
      return { is: 'counters', key };
    case 'GET memory':
      return { is: 'memory', key };
    default:
      throw noSuchRoute(request, url);
  }
}

function noSuchRoute(method: string, url: URL): HypemanError {
  return new HypemanError('invalid', 'NoSuchRoute', `nothing answers ${method} at ${url.pathname}`);
}

function followIn(url: URL): boolean {
  return url.searchParams.get('follow') === 'true';
}

function pathOf(url: URL): string {
  const path = url.searchParams.get('path') ?? '';
  if (!path.startsWith('/') || path.includes('\0'))
    throw new HypemanError('invalid', 'BadRequest', 'the path in the guest has to be absolute');
  return path;
}

function modeOf(url: URL): number {
  const text = url.searchParams.get('mode');
  if (text === null) return DEFAULT_MODE;
  if (!/^[0-7]{1,4}$/.test(text))
    throw new HypemanError('invalid', 'BadRequest', 'the mode of a file is up to four octal digits');
  return Number.parseInt(text, 8);
}
