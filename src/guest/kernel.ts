import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Roots } from '../machine/paths.ts';
import { HypemanError, messageOf } from '../errors.ts';
import { commandOutput } from '../host/exec.ts';
import { errorCode, namesIn, removeTree } from '../host/files.ts';
import { kernelImageOf } from './kernel-image.ts';
import { modulesIn } from './kernel-modules.ts';
import { kernelNames, loadKernel, storeKernel } from './kernel-store.ts';
import type { KernelStore, ReadyKernel } from './kernel-store.ts';

export type KernelAnswer = ReadyKernel | { readonly state: 'missing'; readonly problem: string };

/** The user's own kernel: a bzImage or an ELF vmlinux; modules by default from `/lib/modules/<its version>`. */
export type GivenKernel = { readonly path: string; readonly modules?: string };

export type KernelPlace = {
  readonly roots: Roots;
  /** The group that VMMs read shared files by. */
  readonly sharedGid: number;
};

/**
 * The kernel to start machines with: the given one, unpacked when it is new, else the newest that
 * `installKernel` filed. Cheap when nothing has changed.
 */
export async function findKernel(
  place: KernelPlace & { readonly given?: GivenKernel },
): Promise<KernelAnswer> {
  const store = storeIn(place);
  try {
    if (place.given !== undefined) return await fileGiven(store, place.given);
    for (const name of await kernelNames(store)) {
      const kernel = name.startsWith(GIVEN) ? undefined : await loadKernel(store, name);
      if (kernel !== undefined) return kernel;
    }
  } catch (error) {
    return { state: 'missing', problem: messageOf(error) };
  }
  return {
    state: 'missing',
    problem: 'there is no guest kernel yet: run `hypeman-controller setup`, or give one with --kernel PATH',
  };
}

/**
 * Fetches the newest Debian cloud kernel with apt, as a file, and unpacks it into the state
 * directory; nothing is installed on the host. `cacheDir` keeps the package for the next time.
 * Repeatable: a version that is there already is not unpacked again.
 */
export async function installKernel(
  place: KernelPlace & {
    readonly cacheDir?: string;
    readonly report: (line: string) => void;
    readonly signal?: AbortSignal;
  },
): Promise<ReadyKernel> {
  const store = storeIn(place);
  const scratch = await mkdtemp(join(tmpdir(), 'hypeman-kernel-'));
  try {
    const name = await newestPackage(place.signal);
    const version = name.replace(/^linux-image-/, '');
    const known = await loadKernel(store, version);
    if (known !== undefined) {
      place.report(`kernel ${version} is there already`);
      return known;
    }
    const file = await fetchPackage({ ...place, name, scratch });
    place.report(`unpacking ${name}`);
    const tree = join(scratch, 'tree');
    await commandOutput('dpkg-deb', ['-x', file, tree]);
    const kernel = await readKernel(
      join(tree, 'boot', `vmlinuz-${version}`),
      join(tree, 'lib/modules', version),
      scratch,
    );
    return await storeKernel(store, version, kernel);
  } finally {
    await removeTree(scratch);
  }
}

const GIVEN = 'given-';

function storeIn(place: KernelPlace): KernelStore {
  return { directory: join(place.roots.state, 'kernel'), sharedGid: place.sharedGid };
}

/** The meta package depends on the image of the moment: `linux-image-6.1.0-56-cloud-amd64`. */
async function newestPackage(signal: AbortSignal | undefined): Promise<string> {
  const meta = `linux-image-cloud-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
  const text = await commandOutput(
    'apt-cache',
    ['depends', meta],
    signal === undefined ? {} : { signal },
  ).catch((cause: unknown) => {
    throw noPackage(meta, cause);
  });
  const name = /Depends: (linux-image-\S+)/.exec(text)?.[1];
  if (name === undefined) throw noPackage(meta, undefined);
  return name;
}

function noPackage(meta: string, cause: unknown): HypemanError {
  return new HypemanError(
    'transient',
    'KernelPackageUnknown',
    `apt knows no package ${meta}: run \`apt-get update\` on a Debian host, or give a kernel with --kernel PATH`,
    { cause },
  );
}

type Fetch = Parameters<typeof installKernel>[0] & { readonly name: string; readonly scratch: string };

async function fetchPackage({ name, scratch, cacheDir, report, signal }: Fetch): Promise<string> {
  const cached = await packageIn(cacheDir, name);
  if (cached !== undefined) return cached;
  report(`downloading ${name}`);
  await commandOutput('apt-get', ['download', '-q', name], {
    cwd: scratch,
    timeoutMs: 600_000,
    ...(signal === undefined ? {} : { signal }),
  });
  const file = await packageIn(scratch, name);
  if (file === undefined) throw noPackage(name, undefined);
  if (cacheDir !== undefined) {
    await mkdir(cacheDir, { recursive: true });
    await copyFile(file, join(cacheDir, file.slice(scratch.length + 1)));
  }
  return file;
}

async function packageIn(directory: string | undefined, name: string): Promise<string | undefined> {
  if (directory === undefined) return undefined;
  const file = (await namesIn(directory)).findLast(
    (entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb'),
  );
  return file === undefined ? undefined : join(directory, file);
}

type ReadKernel = Parameters<typeof storeKernel>[2];

async function readKernel(file: string, modules: string | undefined, scratch: string): Promise<ReadKernel> {
  const image = kernelImageOf(await readFile(file));
  const directory = modules ?? join('/lib/modules', image.version);
  const vmlinux = image.form === 'elf' ? image.bytes : await unxz(image.bytes, scratch);
  return { version: image.version, vmlinux, modules: await modulesIn(directory, scratch) };
}

async function unxz(packed: Buffer, scratch: string): Promise<Buffer> {
  await writeFile(join(scratch, 'vmlinux.xz'), packed);
  await commandOutput('xz', ['-d', '-f', '--single-stream', join(scratch, 'vmlinux.xz')]);
  return readFile(join(scratch, 'vmlinux'));
}

/** Filed under what tells one state of the file from another. */
async function fileGiven(store: KernelStore, given: GivenKernel): Promise<KernelAnswer> {
  const facts = await stat(given.path).catch((error: unknown) => {
    throw new HypemanError(
      'invalid',
      'KernelUnreadable',
      `cannot read the kernel ${given.path} (${errorCode(error) ?? 'error'})`,
      {
        cause: error,
      },
    );
  });
  const key = `${given.path}\0${given.modules ?? ''}\0${facts.size}\0${facts.mtimeMs}`;
  const name = `${GIVEN}${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
  const known = await loadKernel(store, name);
  if (known !== undefined) return known;
  const scratch = await mkdtemp(join(tmpdir(), 'hypeman-kernel-'));
  try {
    return await storeKernel(store, name, await readKernel(given.path, given.modules, scratch));
  } finally {
    await removeTree(scratch);
  }
}
