import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { kernelImageOf } from '../../../src/guest/kernel-image.ts';
import { dependenciesOf } from '../../../src/guest/kernel-modules.ts';
import { decodeLz4Legacy } from '../../../src/guest/lz4.ts';

const elf = Buffer.concat([
  Buffer.from([0x7f, 0x45, 0x4c, 0x46]),
  Buffer.from('Linux version 6.1.0-test (me)'),
  Buffer.alloc(600, 'words '),
]);

/** A bzImage with two set-up sectors, its version text, and this payload. */
function bzImage(payload: Buffer): Buffer {
  const head = Buffer.alloc(3 * 512);
  head.writeUInt8(2, 0x1f1);
  head.write('HdrS', 0x202);
  head.writeUInt16LE(0x300 - 0x200, 0x20e);
  head.write('6.1.0-test (me)\0', 0x300);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(elf.length);
  head.writeUInt32LE(0, 0x248);
  head.writeUInt32LE(payload.length + 4, 0x24c);
  return Buffer.concat([head, payload, size]);
}

/** One block: five literals, then a run that overlaps itself, then the last literals. */
const lz4 = (body: readonly number[]): Buffer => {
  const block = Buffer.from(body);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184c2102, 0);
  head.writeUInt32LE(block.length, 4);
  return Buffer.concat([head, block]);
};

describe('an ELF image comes out of', () => {
  test.each([
    ['gzip', gzipSync(elf)],
    ['zstd', zstdCompressSync(elf)],
  ])('a bzImage packed with %s', (_name, payload) => {
    const image = kernelImageOf(bzImage(payload));
    expect(image.version).toBe('6.1.0-test');
    expect(image.bytes.equals(elf)).toBe(true);
  });
  test('an ELF file, which is one', () => {
    expect(kernelImageOf(elf)).toMatchObject({ form: 'elf', version: '6.1.0-test' });
  });
});

test('what is no kernel is refused in words', () => {
  expect(() => kernelImageOf(Buffer.from('#!/bin/sh'))).toThrow(/neither an ELF image nor a bzImage/);
  expect(() => kernelImageOf(bzImage(Buffer.from('neither this nor that')))).toThrow(/compression/);
});

test('LZ4: a copy may overlap itself', () => {
  expect(decodeLz4Legacy(lz4([0x23, 0x61, 0x62, 2, 0, 0x10, 0x21]), 10).toString()).toBe('ababababa!');
});

test.each([
  ['a copy from before the beginning', [0x10, 0x61, 9, 0]],
  ['literals past the end', [0xf0, 200]],
  ['less than was promised', [0x10, 0x61]],
])('LZ4: %s is refused', (_name, body) => {
  expect(() => decodeLz4Legacy(lz4(body), 20)).toThrow(/cannot be unpacked/);
});

test('a module names what must be loaded before it', () => {
  const module = Buffer.from(
    '\x7fELF\0depends=virtio-ring,virtio\0softdep=pre: crc32c post: later\0name=x\0',
  );
  expect(dependenciesOf(module)).toEqual(['virtio_ring', 'virtio', 'crc32c']);
});
