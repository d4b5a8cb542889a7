import { describe, expect, test } from 'vitest';
import { instanceId } from '../../../src/machine/ids.ts';
import { manifestText, mismatchOf, readManifest } from '../../../src/machine/snapshot.ts';
import type { KeptMemory, SnapshotManifest } from '../../../src/machine/snapshot.ts';

const memory: KeptMemory = {
  writer: { hypervisor: 'qemu', version: '7.2.22', accelerator: 'tcg' },
  shape: { vcpus: 2, memoryBytes: 1024, disks: ['root', 'overlay'], hasNic: true },
  writtenAt: '1',
};
const manifest: SnapshotManifest = { version: 1, source: instanceId('a'), createdAt: 1, memory };

describe('what can go on from a memory', () => {
  test('is a machine of the same shape under the same hypervisor', () => {
    expect(mismatchOf(memory, memory.shape, memory.writer)).toBeUndefined();
  });

  test.each([
    [{ vcpus: 3 }, /other vcpus$/],
    [{ memoryBytes: 2048 }, /other memory$/],
    [{ hotplug: { bytes: 1024, dimms: [] } }, /other memory plugged in, or room for it$/],
    [{ disks: ['overlay', 'root'] }, /other disks$/],
    [{ disks: ['root'] }, /other disks$/],
    [{ hasNic: false }, /other network devices$/],
  ])('is not one with %j', (shape, why) => {
    expect(mismatchOf(memory, { ...memory.shape, ...shape }, memory.writer)).toMatch(why);
  });

  test.each([
    [{ version: '7.2.23' }, 'it was taken by qemu 7.2.22, and this host has qemu 7.2.23'],
    [
      { hypervisor: 'firecracker' as const },
      'it was taken by qemu 7.2.22, and this host has firecracker 7.2.22',
    ],
    [{ accelerator: 'kvm' }, 'it was taken on tcg, and this host runs machines on kvm'],
  ])('is not one under %j', (writer, why) => {
    expect(mismatchOf(memory, memory.shape, { ...memory.writer, ...writer })).toBe(why);
  });
});

describe('a manifest', () => {
  test('reads as it was written', () => {
    expect(readManifest(manifestText(manifest), 'b')).toEqual({ state: 'ready', manifest, isSettled: true });
  });

  test('that is not known to be on disk is good on the same boot of the host only', () => {
    const text = manifestText({ ...manifest, unsettledOnBoot: 'b' });
    expect(readManifest(text, 'b')).toMatchObject({ state: 'ready', isSettled: false });
    expect(readManifest(text, 'c')).toMatchObject({
      state: 'void',
      why: expect.stringContaining('host') as string,
    });
  });

  test.each([
    '',
    '{',
    '[]',
    'null',
    '{"version":2}',
    '{"version":1}',
    '{"version":1,"source":"a","memory":{}}',
  ])('that reads %j is void, and nothing throws', (text) => {
    expect(readManifest(text, 'b').state).toBe('void');
  });

  test('cut off anywhere is void', () => {
    const text = manifestText(manifest);
    for (let length = 0; length < text.length - 2; length += 1)
      expect(readManifest(text.slice(0, length), 'b').state).toBe('void');
  });
});
