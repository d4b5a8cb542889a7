import { cpioOf, DIRECTORY_MODE, PRIVATE_FILE_MODE, PROGRAM_MODE } from './cpio.ts';
import type { CpioEntry } from './cpio.ts';
import type { KernelModule } from './kernel-modules.ts';

/**
 * The part of the initramfs that all instances of one kernel share: init, its modules, and
 * `modules/order`, which names them one a line as they must be loaded. Not compressed: unpacking
 * costs an emulated CPU more than copying.
 */
export function baseInitramfs(init: Uint8Array, modules: readonly KernelModule[]): Buffer {
  const directories = ['dev', 'proc', 'sys', 'modules', 'newroot', 'lower', 'rw'];
  const entries: CpioEntry[] = directories.map((name) => ({ name, mode: DIRECTORY_MODE }));
  entries.push({ name: 'init', mode: PROGRAM_MODE, content: init });
  for (const { name, content } of modules)
    entries.push({ name: `modules/${name}.ko`, mode: PRIVATE_FILE_MODE, content });
  const order = modules.map(({ name }) => `${name}\n`).join('');
  entries.push({ name: 'modules/order', mode: PRIVATE_FILE_MODE, content: Buffer.from(order) });
  return cpioOf(entries);
}
