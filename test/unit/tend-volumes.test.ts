import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { ReportedVolume } from '../../src/api/reported-volume.ts';
import { openLog } from '../../src/log.ts';
import { volumeId, volumeKeyOf } from '../../src/machine/ids.ts';
import type { VolumeKey } from '../../src/machine/ids.ts';
import { volumeReportPath } from '../../src/machine/volume.ts';
import { openVolumeTender } from '../../src/tend-volumes-in-turn.ts';
import { KEY, user, volumesStage, wish } from '../support/volumes-stage.ts';

const stage = volumesStage();
const OTHER = volumeKeyOf('default', 'other');

type Tender = ReturnType<typeof openVolumeTender> & { readonly freed: VolumeKey[] };

/** Nothing is declared any more. */
function tender(volumes = stage.volumes): Tender {
  const freed: VolumeKey[] = [];
  const roots = { state: stage.state, run: stage.state };
  const words = { keys: () => [], declared: () => ({ is: 'gone' }) as const };
  const onFreed = (key: VolumeKey): void => void freed.push(key);
  return { ...openVolumeTender({ volumes, roots, words, onFreed }, openLog('silent')), freed };
}

async function round(tender: Tender): Promise<readonly VolumeKey[]> {
  tender.ring();
  await tender.settled();
  return tender.freed.splice(0);
}

describe('whoever waits for a volume', () => {
  test('is told when its user lets go of it, or becomes a reader, and not before', async () => {
    await stage.volumes.create(wish());
    const tending = tender();
    stage.records = [user('web', false)];
    expect(await round(tending)).toEqual([]);
    expect(await round(tending)).toEqual([]);
    stage.records = [user('web', true)];
    expect(await round(tending)).toEqual([KEY]);
    stage.records = [user('web', true), user('other', true)];
    expect(await round(tending)).toEqual([]);
    stage.records = [user('web', true, true), user('other', true)];
    expect(await round(tending)).toEqual([KEY]);
    stage.records = [];
    expect(await round(tending)).toEqual([KEY]);
    expect(await round(tending)).toEqual([]);
  });
});

test('a volume that cannot be tended keeps no other from its turn, nor the report', async () => {
  await stage.volumes.create(wish({ reclaimPolicy: 'Delete' }));
  await stage.volumes.create(wish({ id: volumeId('w'.repeat(24)), key: OTHER, reclaimPolicy: 'Delete' }));
  const { volumes } = stage;
  const failing = {
    ...volumes,
    remove: (key: VolumeKey) => (key === KEY ? Promise.reject(new Error('no')) : volumes.remove(key)),
  };
  await round(tender(failing));
  expect(volumes.all().map(({ key }) => key)).toEqual([KEY]);
  const report = JSON.parse(
    await readFile(volumeReportPath(stage.state), 'utf8'),
  ) as readonly ReportedVolume[];
  expect(report.map(({ name }) => name)).toEqual(['data']);
});
