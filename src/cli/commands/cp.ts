import { createReadStream, createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { HypemanError, messageOf } from '../../errors.ts';
import { removeFile, statIfThere } from '../../host/files.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { ControllerClient } from '../controller-client.ts';
import { usageFault } from '../faults.ts';
import { addAgentOption, addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { findInstance, instanceKeyOf } from '../instances.ts';

export function addCp(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'cp <from> <to>',
    summary: 'Copy a file into a guest, or out of it.',
    details:
      'The place in a guest is NAME:/PATH or NAMESPACE/NAME:/PATH. A directory as the target keeps the name ' +
      'of the file. Whole directories travel by tar: see `exec --help`.',
    examples: [
      ['hypeman-controller cp nginx.conf web:/etc/nginx/nginx.conf', 'into the guest'],
      ['hypeman-controller cp web:/var/log/app.log .', 'out of it'],
    ],
  });
  addFleetOptions(command);
  addAgentOption(command);
  command.action(async (from: string, to: string, options: NamespaceFlag) => {
    const [source, target] = [guestPlaceOf(from), guestPlaceOf(to)];
    if ((source === undefined) === (target === undefined))
      throw usageFault('one side of cp is a local file and the other one NAME:/path in a guest');
    const fleet = await openFleet(context, command);
    const reach = async ({ name, namespace, path }: GuestPlace): Promise<GuestFile> => {
      const instance = await findInstance(fleet, name, namespace ?? options.namespace);
      return { client: fleet.controllerOf(instance), key: instanceKeyOf(instance), path };
    };
    if (source !== undefined) await copyOut(await reach(source), to, context);
    if (target !== undefined) await copyIn(from, target, reach);
  });
}

type GuestPlace = { readonly name: string; readonly namespace?: string; readonly path: string };
type GuestFile = { readonly client: ControllerClient; readonly key: InstanceKey; readonly path: string };

const GUEST_PLACE = /^(?:([a-z0-9-]+)\/)?([a-z0-9-]+):(.*)$/s;

/** `./a:b` is a local file: a name has no dot and no slash before it but the namespace's. */
function guestPlaceOf(text: string): GuestPlace | undefined {
  const [, namespace, name, path = ''] = GUEST_PLACE.exec(text) ?? [];
  if (name === undefined) return undefined;
  if (!path.startsWith('/')) throw usageFault(`the path in the guest has to be absolute: ${name}:/path`);
  return { name, path, ...(namespace === undefined ? {} : { namespace }) };
}

async function copyOut({ client, key, path }: GuestFile, to: string, { signal }: CliContext): Promise<void> {
  const isDirectory = (await statIfThere(to))?.isDirectory() === true;
  const target = isDirectory ? join(to, basename(path)) : to;
  const isPlain = (await statIfThere(target))?.isFile() !== false;
  // Half a file must not pass for a whole one, nor destroy the one that was there; a device is written to.
  const landing = isPlain ? `${target}.${process.pid}.part` : target;
  const content = await client.read(key, path);
  try {
    await pipeline(content, createWriteStream(landing), { signal });
    if (isPlain) await rename(landing, target);
  } catch (cause) {
    if (isPlain) await removeFile(landing);
    throw new HypemanError('transient', 'CopyFailed', `${path} did not arrive whole: ${messageOf(cause)}`, {
      cause,
    });
  }
}

async function copyIn(
  from: string,
  target: GuestPlace,
  reach: (place: GuestPlace) => Promise<GuestFile>,
): Promise<void> {
  const stats = await statIfThere(from);
  if (stats === undefined) throw new HypemanError('invalid', 'FileNotFound', `there is no file ${from}`);
  if (stats.isDirectory())
    throw usageFault(`${from} is a directory: send it by tar, as shown by hypeman-controller exec --help`);
  const { client, key, path: place } = await reach(target);
  const there = await client.stat(key, place);
  const path = there?.kind === 'directory' ? join(place, basename(from)) : place;
  await client.write(key, path, stats.mode & 0o777, createReadStream(from));
}
