import { expect, test } from 'vitest';
import { instanceId, snapshotId } from '../../../src/machine/ids.ts';
import type { InstanceRecord } from '../../../src/machine/record.ts';
import { seeForks } from '../../../src/look/forks.ts';
import type { Forkable } from '../../../src/plan/world.ts';
import { aBase, SOURCE_ID, SOURCE_KEY, sourceWorld } from '../../support/fork-worlds.ts';
import { aRecord, NOW } from '../../support/worlds.ts';

const OTHER = instanceId('q000000000000000000000q9');
const ASKING = aRecord({ fork: { instance: SOURCE_KEY, askedAt: NOW, askedOf: SOURCE_ID } });

/** What is seen of a record, with one base of the source that was asked, and one fork that asks it. */
async function seen(
  record: InstanceRecord,
  bases = [aBase()],
): Promise<Awaited<ReturnType<typeof seeForks>>> {
  const eyes = {
    storage: { forksOf: () => [ASKING] },
    snapshots: { bases: () => Promise.resolve(bases) },
    newId: () => instanceId('n000000000000000000000n0'),
    now: () => NOW,
    forkTroubles: new Map(),
  } as unknown as Parameters<typeof seeForks>[0];
  return seeForks(eyes, record, () => Promise.resolve(sourceWorld()));
}

function sourceRecord(id = SOURCE_ID): InstanceRecord {
  const record = aRecord();
  return { ...record, key: SOURCE_KEY, identity: { ...record.identity, id } };
}

test('a source knows who waits for a base of it, until there is one', async () => {
  expect((await seen(sourceRecord(), [])).askers?.forks).toHaveLength(1);
  expect((await seen(sourceRecord())).askers).toBeUndefined();
});

test('one of the same name that came after it is asked by nobody', async () => {
  expect((await seen(sourceRecord(OTHER), [])).askers).toBeUndefined();
});

test('a fork takes no base of another of the same name', async () => {
  const basesIn = (forking: Forkable | undefined): readonly string[] =>
    forking?.bases.map(({ id }) => id) ?? [];
  const late = { ...aBase(), id: snapshotId('s000000000000000000000s9') };
  const others = { ...late, manifest: { ...late.manifest, source: OTHER } };
  expect(basesIn((await seen(ASKING, [others, aBase()])).forking)).toEqual([aBase().id]);
  expect(basesIn((await seen(ASKING, [others])).forking)).toEqual([]);
});
