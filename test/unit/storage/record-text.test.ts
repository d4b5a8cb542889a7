import { describe, expect, test } from 'vitest';
import { keyOf, snapshotId } from '../../../src/machine/ids.ts';
import { readRecord, textOfRecord } from '../../../src/storage/record-text.ts';
import { freshRecord } from '../../support/records.ts';

const record = freshRecord('web');
const id = record.identity.id;

/** Of a run that was started with these volumes. */
function withVolumes(volumes: unknown): string {
  const run = { startedAt: 5, hypervisor: 'qemu', applied: { generation: 2, fields: { volumes } } };
  return JSON.stringify({ ...record, run });
}

function whyUnreadable(text: string, directory: string = id): string {
  const reading = readRecord(text, directory);
  return reading.is === 'unreadable' ? reading.why : 'it was readable';
}

describe('a record on disk', () => {
  test('reads back as it was written', () => {
    const full = freshRecord('web', {
      image: { reference: 'nginx', digest: 'sha256:1' },
      run: { startedAt: 5, hypervisor: 'qemu', applied: { generation: 2, fields: { vcpus: '2' } } },
      exit: { at: 6, code: 137, message: 'killed by signal 9 (KILL) - OOM' },
      stopping: { since: 7, because: 'Restart' },
      fork: {
        ...{ instance: keyOf('default', 'base'), askedAt: 1, source: id, base: snapshotId('b1') },
        ...{ sourcePauseMs: 12.5, completedAt: 2 },
      },
      restartedAt: '2026-01-01',
    });
    expect(readRecord(textOfRecord(full), id)).toEqual({ is: 'record', record: full });
  });

  test('keeps a field that a later version added', () => {
    const text = JSON.stringify({ ...record, colour: 'green' });
    expect(readRecord(text, id)).toMatchObject({ is: 'record', record: { colour: 'green' } });
  });

  test.each([
    ['', 'it is not JSON'],
    [textOfRecord(record).slice(0, -20), 'it is not JSON'],
    ['[]', 'it is not an object'],
    [JSON.stringify({ ...record, version: 2 }), 'another version'],
    [JSON.stringify({ ...record, uid: '', failures: -1 }), 'uid, failures'],
    [JSON.stringify({ ...record, identity: undefined }), 'identity.id'],
    [JSON.stringify({ ...record, run: { startedAt: 'yesterday' } }), 'run'],
    [JSON.stringify({ ...record, fork: { instance: 'base' } }), 'fork'],
    [JSON.stringify({ ...record, fork: { instance: 'default/base', base: '../images' } }), 'fork'],
    [JSON.stringify({ ...record, fork: { instance: 'default/base', askedAt: 'now' } }), 'fork'],
    ...['', '{', '{}', 'null', '[1]', '[["data"]]', '[[1,"/mnt"]]'].map((volumes) => [
      withVolumes(volumes),
      'run',
    ]),
  ])('that says %j is unreadable, and says why', (text, why) => {
    expect(whyUnreadable(text)).toContain(why);
  });

  test('whose volumes an earlier or later version wrote shorter or longer is readable', () => {
    for (const volumes of ['[]', '[["data","/mnt"]]', '[["data","/mnt",true,false,null,"new"]]'])
      expect(readRecord(withVolumes(volumes), id).is).toBe('record');
  });

  test('never makes root the owner of a VMM', () => {
    const owner = { ...record.identity.owner, uid: 0 };
    const text = JSON.stringify({ ...record, identity: { ...record.identity, owner } });
    expect(whyUnreadable(text)).toContain('identity.owner.uid');
  });

  test('copied into the directory of another instance is refused', () => {
    expect(whyUnreadable(textOfRecord(record), 'someoneelse')).toContain('belongs to instance');
  });
});
