import { HypemanError } from '../errors.ts';

/** "LZ4 legacy frame", what `lz4 -l` writes and the kernel build uses (lz4_Frame_format.md). */
export const LZ4_LEGACY_MAGIC = 0x184c2102;

/**
 * Unpacks a legacy LZ4 stream of known size: magic, then blocks of a 32-bit size and that many
 * bytes. Throws `KernelUnreadable` on anything that is not one.
 */
export function decodeLz4Legacy(packed: Buffer, unpackedBytes: number): Buffer {
  if (packed.length < 8 || packed.readUInt32LE(0) !== LZ4_LEGACY_MAGIC) throw unreadable('no legacy magic');
  const out = Buffer.alloc(unpackedBytes);
  let filled = 0;
  let at = 4;
  while (at + 4 <= packed.length && filled < unpackedBytes) {
    const size = packed.readUInt32LE(at);
    at += 4;
    // Archives may be concatenated: each begins with the magic again.
    if (size === LZ4_LEGACY_MAGIC) continue;
    if (at + size > packed.length) throw unreadable('a block is cut short');
    filled = decodeBlock(packed.subarray(at, at + size), out, filled);
    at += size;
  }
  if (filled !== unpackedBytes) throw unreadable(`${filled} bytes instead of ${unpackedBytes}`);
  return out;
}

/** One block (lz4_Block_format.md): literals, then a copy from what is already out, over and over. */
function decodeBlock(block: Buffer, out: Buffer, start: number): number {
  let at = 0;
  let filled = start;
  const longer = (short: number): number => {
    let length = short;
    if (short !== 15) return length;
    let more: number;
    do {
      more = block[at++] ?? 0;
      length += more;
    } while (more === 255);
    return length;
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = longer(token >> 4);
    if (at + literals > Math.min(block.length, at + out.length - filled))
      throw unreadable('literals overrun');
    block.copy(out, filled, at, at + literals);
    at += literals;
    filled += literals;
    if (at >= block.length) break;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    const length = longer(token & 15) + 4;
    if (distance === 0 || distance > filled - start || filled + length > out.length)
      throw unreadable('a copy points outside');
    copyWithin(out, filled, { distance, length });
    filled += length;
  }
  return filled;
}

/** A copy may overlap itself: that is how LZ4 writes a run. */
function copyWithin(out: Buffer, at: number, run: { distance: number; length: number }): void {
  if (run.distance >= run.length) {
    out.copyWithin(at, at - run.distance, at - run.distance + run.length);
    return;
  }
  for (let index = 0; index < run.length; index += 1) out[at + index] = out[at + index - run.distance] ?? 0;
}

function unreadable(why: string): HypemanError {
  return new HypemanError('invalid', 'KernelUnreadable', `the kernel's LZ4 data cannot be unpacked: ${why}`);
}
