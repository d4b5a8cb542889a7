/** One name in an initramfs. Owned by root; the time is zero, so that equal content gives equal bytes. */
export type CpioEntry = {
  /** Without a leading slash. Parents must come first: the kernel makes none. */
  readonly name: string;
  /** File type and permissions as in stat(2). */
  readonly mode: number;
  readonly content?: Uint8Array;
};

export const DIRECTORY_MODE = 0o040755;
export const PROGRAM_MODE = 0o100755;
export const PRIVATE_FILE_MODE = 0o100600;

const HEADER_BYTES = 110;
/** The kernel accepts archives one after the other when each starts on four bytes; 512 as cpio(1) pads. */
const BLOCK_BYTES = 512;

/**
 * An archive in the "newc" form that Linux unpacks as initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Archives may be concatenated; a
 * later one replaces files of an earlier one.
 */
export function cpioOf(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.map((entry, index) => recordOf(entry, index + 1));
  parts.push(recordOf({ name: 'TRAILER!!!', mode: 0 }, 0));
  return padded(Buffer.concat(parts), BLOCK_BYTES);
}

function recordOf(entry: CpioEntry, inode: number): Buffer {
  const content = entry.content ?? new Uint8Array(0);
  const name = Buffer.from(`${entry.name}\0`);
  const links = entry.mode === DIRECTORY_MODE ? 2 : 1;
  const fields = [inode, entry.mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  // Header and name together are padded to four bytes, then the content.
  const head = Buffer.alloc(roundUp(HEADER_BYTES + name.length, 4));
  head.write(header, 'latin1');
  name.copy(head, HEADER_BYTES);
  return Buffer.concat([head, padded(Buffer.from(content), 4)]);
}

function padded(bytes: Buffer, unit: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(roundUp(bytes.length, unit) - bytes.length)]);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
