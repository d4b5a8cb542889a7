import { createHash } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HypemanError } from '../errors.ts';
import { commandOutput } from '../host/exec.ts';
import { isExecutable, namesIn } from '../host/files.ts';

/** The init program of this version; `hash` names its bytes. */
export type InitBinary = { readonly path: string; readonly hash: string };

/** Static, because the image may hold another libc or none; warnings are errors as everywhere here. */
export const INIT_FLAGS = [
  '-static',
  '-Os',
  '-std=gnu11',
  '-D_GNU_SOURCE',
  '-Wall',
  '-Wextra',
  '-Wconversion',
  '-Werror',
] as const;

const SOURCES = fileURLToPath(new URL('./init', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache/init', import.meta.url));
const SHIPPED = fileURLToPath(new URL(`./init-${process.arch}`, import.meta.url));

/**
 * Finds init: in a checkout it is compiled from `init/*.c` beside this file (once for each state of
 * the sources); a published package has no sources and ships `init-<process.arch>` beside the
 * compiled JavaScript, put there by `npm run build` with `buildInit`.
 */
export async function findInit(): Promise<InitBinary> {
  const path = (await isExecutable(SHIPPED)) ? SHIPPED : await buildInit(CACHE);
  return {
    path,
    hash: createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
      .slice(0, 16),
  };
}

/** Compiles init into `outDir`, or finds it there from last time; returns the binary's path. */
export async function buildInit(outDir: string): Promise<string> {
  const sources = (await namesIn(SOURCES)).filter((name) => /\.[ch]$/.test(name));
  if (sources.length === 0)
    throw new HypemanError(
      'invalid',
      'InitMissing',
      `this package has no init for ${process.arch}; reinstall it`,
    );
  const hash = createHash('sha256').update(INIT_FLAGS.join(' '));
  for (const name of sources) hash.update(name).update(await readFile(join(SOURCES, name)));
  const path = join(outDir, `init-${hash.digest('hex').slice(0, 16)}`);
  if (await isExecutable(path)) return path;
  await mkdir(outDir, { recursive: true });
  // Two builds at once both end with a whole file under the final name.
  const temporary = `${path}.${process.pid}`;
  const files = sources.filter((name) => name.endsWith('.c')).map((name) => join(SOURCES, name));
  await commandOutput('gcc', [...INIT_FLAGS, '-s', '-o', temporary, ...files]);
  await rename(temporary, path);
  return path;
}
