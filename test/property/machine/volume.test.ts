import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyOf, volumeKeyOf } from '../../../src/machine/ids.ts';
import type { InstanceRecord } from '../../../src/machine/record.ts';
import { usersOf, whoBars } from '../../../src/machine/volume.ts';
import { openVolumeClaims } from '../../../src/storage/volume-claims.ts';
import { aRecord, aRun } from '../../support/worlds.ts';

const VOLUMES = ['a', 'b', 'c'];
const NAMES = ['one', 'two', 'three', 'four'];

type Move = {
  readonly name: string;
  readonly stops: boolean;
  readonly mounts: readonly Mount[];
  readonly slow: boolean;
};
type Mount = { readonly volume: string; readonly readonly: boolean };

const anyMove: fc.Arbitrary<Move> = fc.record({
  name: fc.constantFrom(...NAMES),
  stops: fc.boolean(),
  slow: fc.boolean(),
  mounts: fc.uniqueArray(fc.record({ volume: fc.constantFrom(...VOLUMES), readonly: fc.boolean() }), {
    selector: ({ volume }) => volume,
  }),
});

function recordOf({ name, stops, mounts }: Move): InstanceRecord {
  const volumes = mounts.map((mount) => ({ ...mount, mountPath: `/mnt/${mount.volume}`, overlay: false }));
  return aRecord({ key: keyOf('default', name), run: aRun({ volumes }), ...(stops ? { stoppedAt: 1 } : {}) });
}

test('whatever starts and stops, at once or not: a writer is alone, and who stops is never held up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyMove, { maxLength: 30 }), async (moves) => {
      const records = new Map<string, InstanceRecord>();
      const claims = openVolumeClaims(() => [...records.values()]);
      const pending = new Map<string, Promise<unknown>>();
      for (const move of moves) {
        // One pass at a time for each instance, as the queue has it.
        await pending.get(move.name);
        const record = recordOf(move);
        const claim = claims.claim(record, async () => {
          if (move.slow) await Promise.resolve();
          records.set(move.name, record);
        });
        pending.set(move.name, move.stops ? claim : claim.catch(() => undefined));
        if (!move.slow) await pending.get(move.name);
        expectRules([...records.values()]);
      }
      await Promise.all(pending.values());
      expectRules([...records.values()]);
    }),
  );
});

function expectRules(records: readonly InstanceRecord[]): void {
  for (const name of VOLUMES) {
    const users = usersOf(volumeKeyOf('default', name), records);
    const writers = users.filter(({ readonly }) => !readonly);
    expect(writers.length === 0 || users.length === 1).toBe(true);
  }
}

test('a reader is barred by a writer only, a writer by anybody', () => {
  const anyUsers = fc.array(fc.boolean().map((readonly) => ({ instance: keyOf('default', 'x'), readonly })));
  fc.assert(
    fc.property(anyUsers, fc.boolean(), (users, readonly) => {
      const isBarred = readonly ? users.some((user) => !user.readonly) : users.length > 0;
      expect(whoBars(users, readonly) !== undefined).toBe(isBarred);
    }),
  );
});
