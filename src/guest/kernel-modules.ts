import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { commandOutput } from '../host/exec.ts';
import { removeTree } from '../host/files.ts';

/** A module as init loads it: plain ELF, all that it needs loaded before it. */
export type KernelModule = { readonly name: string; readonly content: Buffer };

/**
 * What a guest needs to reach its disks, its network and us. Names without a file are built into
 * the kernel, or it does without (vsock and MMIO are for other hypervisors than QEMU).
 */
const NEEDED = [
  'virtio_pci',
  'virtio_mmio',
  'virtio_blk',
  'virtio_console',
  'virtio_net',
  'virtio_rng',
  'erofs',
  'overlay',
  'ext4',
  'vmw_vsock_virtio_transport',
  // Connections of an old identity can be ended.
  'tcp_diag',
  'udp_diag',
] as const;

/**
 * The needed modules below a `/lib/modules/<version>` directory, in load order. Dependencies are
 * read from the modules themselves: a package that was never installed has no modules.dep.
 */
export async function modulesIn(directory: string, scratch: string): Promise<readonly KernelModule[]> {
  const files = await moduleFiles(directory);
  const ordered = new Map<string, KernelModule>();
  const visiting = new Set<string>();
  const add = async (name: string): Promise<void> => {
    const file = files.get(name);
    if (file === undefined || visiting.has(name)) return;
    visiting.add(name);
    const content = await moduleContent(file, scratch);
    for (const dependency of dependenciesOf(content)) await add(dependency);
    ordered.set(name, { name, content });
  };
  for (const name of NEEDED) await add(name);
  return [...ordered.values()];
}

/** `depends=` and `softdep=pre:` of a module's .modinfo section: NUL-ended `key=value` texts. */
export function dependenciesOf(module: Buffer): readonly string[] {
  const values = (key: string): string[] => {
    const found: string[] = [];
    for (let at = module.indexOf(key); at >= 0; at = module.indexOf(key, at + 1)) {
      const end = module.indexOf(0, at + key.length);
      found.push(module.toString('latin1', at + key.length, end));
    }
    return found;
  };
  const hard = values('\0depends=').flatMap((value) => value.split(','));
  const soft = values('\0softdep=').flatMap(
    (value) => /pre:\s*([^:]*?)(?:\s+post:|$)/.exec(value)?.[1]?.split(/\s+/) ?? [],
  );
  return [...hard, ...soft].filter((name) => name !== '').map(moduleName);
}

/** Modules are looked up with underscores, whatever their files are called (kmod's rule). */
function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

async function moduleFiles(directory: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const entries = await readdir(join(directory, 'kernel'), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  for (const entry of entries) {
    const name = /^(.*)\.ko(\.(xz|gz|zst))?$/.exec(entry.name)?.[1];
    if (name !== undefined) files.set(moduleName(name), join(entry.parentPath, entry.name));
  }
  return files;
}

const UNPACKERS = { '.xz': 'xz', '.gz': 'gzip', '.zst': 'zstd' } as const;

async function moduleContent(file: string, scratch: string): Promise<Buffer> {
  const unpacker = Object.entries(UNPACKERS).find(([ending]) => file.endsWith(ending));
  if (unpacker === undefined) return readFile(file);
  const [ending, program] = unpacker;
  const copy = join(scratch, `module.ko${ending}`);
  await commandOutput('cp', [file, copy]);
  await commandOutput(program, ['-d', '-f', ...(program === 'zstd' ? ['--rm', '-q'] : []), copy]);
  const content = await readFile(join(scratch, 'module.ko'));
  await removeTree(join(scratch, 'module.ko'));
  return content;
}
