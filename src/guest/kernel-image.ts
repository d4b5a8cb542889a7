import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { HypemanError } from '../errors.ts';
import { LZ4_LEGACY_MAGIC, decodeLz4Legacy } from './lz4.ts';

/** What a kernel file holds: the ELF image, or xz data that a host tool has to unpack to it. */
export type KernelImage = { readonly form: 'elf' | 'xz'; readonly bytes: Buffer; readonly version: string };

const ELF_MAGIC = 0x7f454c46;
const BZIMAGE_MAGIC = 'HdrS';

/**
 * Takes the ELF image out of a bzImage, or an ELF file as it is. Offsets by the x86 boot protocol
 * (Documentation/arch/x86/boot.rst): 0x1f1 setup_sects, 0x202 "HdrS", 0x20e the version's place,
 * 0x248 payload_offset, 0x24c payload_length. The payload's last four bytes are its unpacked size.
 * Throws `KernelUnreadable`.
 */
export function kernelImageOf(file: Buffer): KernelImage {
  if (isElf(file)) return { form: 'elf', bytes: file, version: elfVersion(file) };
  if (file.length < 0x260 || file.toString('latin1', 0x202, 0x206) !== BZIMAGE_MAGIC)
    throw unreadable('it is neither an ELF image nor a bzImage');
  const start = ((file[0x1f1] ?? 0) + 1) * 512 + file.readUInt32LE(0x248);
  const end = start + file.readUInt32LE(0x24c);
  if (end > file.length || end - start < 16) throw unreadable('its payload is cut short');
  const payload = file.subarray(start, end - 4);
  return { ...unpacked(payload, file.readUInt32LE(end - 4)), version: bzImageVersion(file) };
}

export function isElf(file: Buffer): boolean {
  return file.length > 4 && file.readUInt32BE(0) === ELF_MAGIC;
}

function unpacked(payload: Buffer, bytes: number): Pick<KernelImage, 'form' | 'bytes'> {
  if (payload.readUInt32LE(0) === LZ4_LEGACY_MAGIC)
    return { form: 'elf', bytes: decodeLz4Legacy(payload, bytes) };
  const magic = payload.readUInt32BE(0);
  if (magic >>> 16 === 0x1f8b) return { form: 'elf', bytes: gunzipSync(payload) };
  if (magic === 0x28b52ffd) return { form: 'elf', bytes: zstdDecompressSync(payload) };
  if (magic === 0xfd377a58) return { form: 'xz', bytes: payload };
  throw unreadable('its compression is none of lz4, gzip, zstd, xz');
}

function bzImageVersion(file: Buffer): string {
  const at = file.readUInt16LE(0x20e) + 0x200;
  return file.toString('latin1', at, at + 128).split(/[\s\0]/)[0] ?? '';
}

function elfVersion(file: Buffer): string {
  const at = file.indexOf('Linux version ');
  if (at < 0) throw unreadable('it does not say its version');
  return file.toString('latin1', at + 14, at + 142).split(/[\s\0]/)[0] ?? '';
}

function unreadable(why: string): HypemanError {
  return new HypemanError('invalid', 'KernelUnreadable', `this file cannot be used as a kernel: ${why}`);
}
