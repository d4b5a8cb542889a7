import { createReadStream, createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { HypemanError, messageOf } from '../../errors.ts';
import { removeFile, statIfThere } from '../../host/files.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import type { ControllerClient } from '../controller-client.ts';
import { usageFault } from '../faults.ts';

export function addCp(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'cp <from> <to>',
    summary: 'Copy a file into a guest, or out of it.',
    details:
      'The place in a guest is NAME:/PATH or NAMESPACE/NAME:/PATH. A directory as the target keeps the name ' +
      'of the file. Whole directories travel by tar: see `exec --help`.',
    examples: [
      ['hypeman-controller cp nginx.conf web:/etc/nginx/nginx.conf', 'into the guest'],
      ['hypeman-controller cp web:/var/log/app.log .', 'out of it'],
    ],
  })
    .addOption(namespaceOption())
    .action(async (from: string, to: string, options: { readonly namespace: string }, command: Command) => {
      const client = controllerAt(controllerSocketOf(placesOf(command)));
      const source = guestPlaceOf(from, options.namespace);
      const target = guestPlaceOf(to, options.namespace);
      if (source !== undefined && target === undefined) await copyOut(client, source, to, context);
      else if (source === undefined && target !== undefined) await copyIn(client, from, target);
      else throw usageFault('one side of cp is a local file and the other one NAME:/path in a guest');
    });
}

type GuestPlace = { readonly key: InstanceKey; readonly path: string };

const GUEST_PLACE = /^(?:([a-z0-9-]+)\/)?([a-z0-9-]+):(.*)$/s;

/** `./a:b` is a local file: a name has no dot and no slash before it but the namespace's. */
function guestPlaceOf(text: string, namespace: string): GuestPlace | undefined {
  const [, inNamespace = namespace, name, path = ''] = GUEST_PLACE.exec(text) ?? [];
  if (name === undefined) return undefined;
  if (!path.startsWith('/')) throw usageFault(`the path in the guest has to be absolute: ${name}:/path`);
  return { key: keyOf(inNamespace, name), path };
}

async function copyOut(
  client: ControllerClient,
  { key, path }: GuestPlace,
  to: string,
  { signal }: CliContext,
): Promise<void> {
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

async function copyIn(client: ControllerClient, from: string, target: GuestPlace): Promise<void> {
  const stats = await statIfThere(from);
  if (stats === undefined) throw new HypemanError('invalid', 'FileNotFound', `there is no file ${from}`);
  if (stats.isDirectory())
    throw usageFault(`${from} is a directory: send it by tar, as shown by hypeman-controller exec --help`);
  const there = await client.stat(target.key, target.path);
  const path = there?.kind === 'directory' ? join(target.path, basename(from)) : target.path;
  await client.write(target.key, path, stats.mode & 0o777, createReadStream(from));
}
