import { chmod, chown, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn, readIfThere, removeTree, statIfThere, writeAtomically } from '../host/files.ts';
import { findInit } from './build-init.ts';
import { baseInitramfs } from './initramfs.ts';
import type { KernelModule } from './kernel-modules.ts';

/** A kernel that a machine can be started with; `initrd` is the base that boot archives are made on. */
export type ReadyKernel = {
  readonly state: 'ready';
  readonly version: string;
  readonly path: string;
  readonly initrd: string;
};

/**
 * `<state>/kernel/<name>/`: vmlinux, modules/, an initrd for each version of init that was met, and
 * manifest.json, written last: a directory without it is the rest of a crash. VMMs read these files
 * by the shared group and nobody writes them.
 */
export type KernelStore = { readonly directory: string; readonly sharedGid: number };

type Manifest = { readonly version: string; readonly modules: readonly string[] };

/** Files a kernel under `name`, replacing what was there. A reader sees all of it or nothing. */
export async function storeKernel(
  store: KernelStore,
  name: string,
  kernel: { readonly version: string; readonly vmlinux: Buffer; readonly modules: readonly KernelModule[] },
): Promise<ReadyKernel> {
  await mkdir(store.directory, { recursive: true });
  await share(store, store.directory, 0o750);
  const final = join(store.directory, name);
  const staging = join(store.directory, `.${name}.${process.pid}`);
  await removeTree(staging);
  await mkdir(join(staging, 'modules'), { recursive: true });
  await writeShared(store, join(staging, 'vmlinux'), kernel.vmlinux);
  for (const module of kernel.modules)
    await writeAtomically(join(staging, 'modules', `${module.name}.ko`), module.content);
  const manifest: Manifest = {
    version: kernel.version,
    modules: kernel.modules.map((module) => module.name),
  };
  await writeShared(store, join(staging, 'manifest.json'), JSON.stringify(manifest, null, 1));
  await share(store, staging, 0o750);
  await removeTree(final);
  await rename(staging, final);
  return readyKernel(store, name, manifest);
}

/** The kernel filed under `name`, its initramfs holding the init of this version; or undefined. */
export async function loadKernel(store: KernelStore, name: string): Promise<ReadyKernel | undefined> {
  const text = await readIfThere(join(store.directory, name, 'manifest.json'));
  if (text === undefined) return undefined;
  const manifest = manifestFrom(text);
  return manifest === undefined ? undefined : readyKernel(store, name, manifest);
}

/** The names of whole kernels, newest version first. */
export async function kernelNames(store: KernelStore): Promise<readonly string[]> {
  const names = (await namesIn(store.directory)).filter((name) => !name.startsWith('.'));
  return names.sort((one, other) => other.localeCompare(one, 'en', { numeric: true }));
}

async function readyKernel(store: KernelStore, name: string, manifest: Manifest): Promise<ReadyKernel> {
  const directory = join(store.directory, name);
  const init = await findInit();
  const initrd = join(directory, `initrd-${init.hash}.img`);
  if ((await statIfThere(initrd)) === undefined) {
    const modules: KernelModule[] = [];
    for (const module of manifest.modules)
      modules.push({ name: module, content: await readFile(join(directory, 'modules', `${module}.ko`)) });
    await writeShared(store, initrd, baseInitramfs(await readFile(init.path), modules));
  }
  return { state: 'ready', version: manifest.version, path: join(directory, 'vmlinux'), initrd };
}

/** Our own file, but a disk may have lost half of it. */
function manifestFrom(text: string): Manifest | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    if (!('version' in value) || typeof value.version !== 'string') return undefined;
    if (!('modules' in value) || !Array.isArray(value.modules)) return undefined;
    return { version: value.version, modules: value.modules.filter((name) => typeof name === 'string') };
  } catch {
    return undefined;
  }
}

async function writeShared(store: KernelStore, path: string, content: string | Uint8Array): Promise<void> {
  await writeAtomically(path, content, 0o640);
  await share(store, path, 0o640);
}

async function share(store: KernelStore, path: string, mode: number): Promise<void> {
  await chown(path, 0, store.sharedGid);
  await chmod(path, mode);
}
