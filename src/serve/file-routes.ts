import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { HypemanError } from '../errors.ts';
import type { GuestLinks, GuestStat } from '../guest/guest-links.ts';
import type { InstanceId } from '../machine/ids.ts';
import type { WriteRoute } from './routes.ts';

/** 200 with the `GuestStat`. Throws `FileNotFound` when there is nothing under this path. */
export async function sendStat(
  links: GuestLinks,
  id: InstanceId,
  path: string,
  response: ServerResponse,
): Promise<void> {
  const stat = await statOf(links, id, path);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(stat));
}

/** 200 with the content. A connection that is cut before the last chunk says that it is not whole. */
export async function sendFile(
  links: GuestLinks,
  id: InstanceId,
  path: string,
  response: ServerResponse,
): Promise<void> {
  const stat = await statOf(links, id, path);
  if (stat.kind === 'directory')
    throw new HypemanError('invalid', 'IsDirectory', `${path} is a directory in the guest`);
  const content = await links.read(id, path);
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  await pipeline(content, response);
}

/** 204 once the guest has the whole file. */
export async function takeFile(
  links: GuestLinks,
  id: InstanceId,
  route: WriteRoute,
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  await links.write(id, route.path, route.mode, exchange.request);
  exchange.response.writeHead(204).end();
}

async function statOf(links: GuestLinks, id: InstanceId, path: string): Promise<GuestStat> {
  const stat = await links.stat(id, path);
  if (stat === undefined)
    throw new HypemanError('invalid', 'FileNotFound', `there is no ${path} in the guest`);
  return stat;
}
