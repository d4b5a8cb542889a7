import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { kernelImageOf } from '../../src/guest/kernel-image.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { isExecutable, namesIn, statIfThere } from '../../src/host/files.ts';
import { CACHE } from './controller-process.ts';

/**
 * A Debian cloud kernel as an ELF file, for tests of a hypervisor alone: no modules, no init of ours.
 * Fetched and unpacked once, kept in the cache.
 */
export async function plainKernel(): Promise<string> {
  const kept = `${CACHE}/plain-vmlinux`;
  if ((await statIfThere(kept)) !== undefined) return kept;
  const scratch = await mkdtemp('/var/tmp/hypeman-kernel-');
  try {
    const tree = `${scratch}/tree`;
    await commandOutput('dpkg-deb', ['-x', await kernelPackage(scratch), tree]);
    const name = (await namesIn(`${tree}/boot`)).find((file) => file.startsWith('vmlinuz-')) ?? 'no-kernel';
    await writeFile(`${kept}.part`, kernelImageOf(await readFile(`${tree}/boot/${name}`)).bytes);
    await rename(`${kept}.part`, kept);
    return kept;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function kernelPackage(scratch: string): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const kept = (await namesIn(CACHE)).find((name) => /^linux-image-.*-cloud-.*\.deb$/.test(name));
  if (kept !== undefined) return `${CACHE}/${kept}`;
  if (!(await isExecutable('/usr/bin/apt-get'))) throw new Error('no apt-get to fetch a kernel with');
  const depends = await commandOutput('apt-cache', ['depends', '--important', 'linux-image-cloud-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1] ?? 'linux-image-cloud-amd64';
  await commandOutput('apt-get', ['download', name], { cwd: scratch });
  const file = (await namesIn(scratch)).find((entry) => entry.endsWith('.deb')) ?? '';
  return `${scratch}/${file}`;
}
