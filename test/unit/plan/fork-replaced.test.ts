import { describe, expect, test } from 'vitest';
import { instanceId } from '../../../src/machine/ids.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import { forkable, forkWorld, SOURCE_ID, SOURCE_KEY, sourceWorld } from '../../support/fork-worlds.ts';
import { NOW, STARTED, wanted } from '../../support/worlds.ts';

describe('a source that was replaced by another of its name', () => {
  const OTHER = instanceId('q000000000000000000000q9');
  const successor = (): World => {
    const source = sourceWorld();
    if (source.record === 'absent') throw new Error('it has no record');
    const { identity } = source.record;
    return {
      ...source,
      record: { ...source.record, identity: { ...identity, id: OTHER } },
      guest: { ...STARTED, identity: OTHER },
    };
  };

  test('after it was asked: the other is asked at once, and what that declares is kept instead', () => {
    const asked = forkWorld(
      forkable(successor()),
      {},
      { fork: { instance: SOURCE_KEY, askedAt: NOW - 1_000, askedOf: SOURCE_ID } },
    );
    expect(plan(asked).actions).toMatchObject([
      { kind: 'keep-inheritance', source: SOURCE_KEY, uid: 'uid-1' },
      { kind: 'write-record', record: { fork: { askedAt: NOW, askedOf: OTHER } } },
    ]);
  });

  test('that is still being removed is not asked', () => {
    const going = { ...sourceWorld(), desired: wanted({}, { uid: 'uid-2' }) };
    const seen = plan(forkWorld(forkable(going)));
    expect(seen).toMatchObject({ actions: [], reason: 'SourceNotReady' });
    expect(seen.message).toContain('being replaced');
  });
});
