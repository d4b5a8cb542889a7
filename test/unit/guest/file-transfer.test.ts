import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { FROM_GUEST, FROM_HOST, numberBytes } from '../../../src/guest/protocol.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { heardTypes, id, started, until } from '../../support/link-stage.ts';

describe('files', () => {
  test('a file that is not there is thrown, one that is there is streamed', async () => {
    const { links, end } = await started();
    const missing = links.read(id, '/missing');
    await until(() => heardTypes(end).includes(FROM_HOST.read));
    end.say(FROM_GUEST.failed, 1, Buffer.concat([numberBytes(2), Buffer.from('No such file or directory')]));
    await expect(missing).rejects.toThrow(/No such file/);
    const there = links.read(id, '/there');
    end.say(FROM_GUEST.out, 2, Buffer.from('ab'));
    end.say(FROM_GUEST.done, 2);
    expect(await Readable.from(await there).toArray()).toEqual([Buffer.from('ab')]);
  });

  test('a reader that stops early tells the guest to stop', async () => {
    const { links, end } = await started();
    const file = links.read(id, '/there');
    await until(() => heardTypes(end).includes(FROM_HOST.read));
    end.say(FROM_GUEST.out, 1, Buffer.from('ab'));
    const reader = await file;
    if (reader instanceof Readable) reader.destroy();
    await until(() => heardTypes(end).includes(FROM_HOST.cancel));
  });

  test('a source that breaks off leaves no file: the guest is told to forget it', async () => {
    const { links, end } = await started();
    const broken = new Readable({
      read() {
        broken.destroy(new Error('the disk is gone'));
      },
    });
    await expect(links.write(id, '/x', 0o600, broken)).rejects.toThrow(/disk is gone/);
    await until(() => heardTypes(end).includes(FROM_HOST.cancel));
    expect(heardTypes(end)).not.toContain(FROM_HOST.end);
  });
});

test('control words are sent, and lost where nobody listens', async () => {
  const { links, end } = await started();
  links.acknowledgeExit(id);
  links.shutdown(id, 1500);
  links.shutdown(instanceId('other'), 1500);
  expect(links.setClock(id, 1_700_000_000_000)).toBe(true);
  expect(links.reseed(id, Buffer.alloc(32, 1))).toBe(true);
  expect(links.setClock(instanceId('other'), 1_700_000_000_000)).toBe(false);
  expect(links.reseed(instanceId('other'), Buffer.alloc(32, 1))).toBe(false);
  await until(() => heardTypes(end).includes(FROM_HOST.reseed));
  expect(heardTypes(end).slice(1)).toEqual([
    FROM_HOST.acknowledge,
    FROM_HOST.shutdown,
    FROM_HOST.clock,
    FROM_HOST.reseed,
  ]);
  expect(end.heard[2]?.payload.readUInt32LE(0)).toBe(1500);
});
