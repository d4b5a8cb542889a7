import { chmod, chown, mkdir, open, rename } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { removeFile } from './files.ts';

/** Who a file belongs to, and what others may do with it. */
export type Ownership = { readonly uid: number; readonly gid: number; readonly mode: number };

/** Makes the directory when it is missing; owner and mode are put right either way. */
export async function ensureOwnedDirectory(path: string, { uid, gid, mode }: Ownership): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  await chown(path, uid, gid);
  await chmod(path, mode);
}

/** Makes an empty file when it is missing and leaves what is in it; owner and mode are put right. */
export async function ensureOwnedFile(path: string, { uid, gid, mode }: Ownership): Promise<void> {
  const file = await open(path, 'a', mode);
  try {
    await file.chown(uid, gid);
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

/**
 * Writes the parts one after another into a new file, each padded with zeros to a multiple of
 * `alignment` bytes. The final name appears when all of it is there.
 */
export async function concatenate(
  parts: readonly string[],
  target: string,
  options: Ownership & { readonly alignment: number },
): Promise<void> {
  const temporary = `${target}.part`;
  await removeFile(temporary);
  const file = await open(temporary, 'wx', 0o600);
  try {
    for (const part of parts) {
      await pipeline(createReadStream(part), async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) await file.writeFile(chunk);
      });
      const over = (await file.stat()).size % options.alignment;
      if (over !== 0) await file.writeFile(Buffer.alloc(options.alignment - over));
    }
    await file.chown(options.uid, options.gid);
    await file.chmod(options.mode);
  } catch (error) {
    await file.close();
    await removeFile(temporary);
    throw error;
  }
  await file.close();
  await rename(temporary, target);
}
