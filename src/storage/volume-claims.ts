import { HypemanError } from '../errors.ts';
import type { InstanceKey, VolumeKey } from '../machine/ids.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { usersOf, userText, volumesHeldBy, whoBars } from '../machine/volume.ts';
import type { VolumeUser } from '../machine/volume.ts';
import type { RecordProblem } from './storage.ts';

/** Who has which volume: by the records of open runs, and by those that are being written now. */
export type VolumeClaims = {
  readonly usersOf: (key: VolumeKey, but?: InstanceKey) => readonly VolumeUser[];
  readonly isHeld: (key: VolumeKey) => boolean;
  /** Throws `VolumeInUse`. */
  readonly refuseHeld: (key: VolumeKey) => void;
  /** See `Volumes.claim`. */
  readonly claim: (record: InstanceRecord, write: () => Promise<void>) => Promise<void>;
};

/** `unread`: records that cannot be read. Each may have any volume: nothing is taken from under them. */
export function openVolumeClaims(
  records: () => readonly InstanceRecord[],
  unread: () => readonly RecordProblem[] = () => [],
): VolumeClaims {
  const writing = new Set<InstanceRecord>();
  const of = (key: VolumeKey, but?: InstanceKey): readonly VolumeUser[] =>
    usersOf(key, [...records(), ...writing], but);
  const refuse = (key: VolumeKey, by: VolumeUser | undefined): void => {
    if (by === undefined) return;
    const message = `the volume ${key} is attached to ${userText(by)}`;
    throw new HypemanError('transient', 'VolumeInUse', message);
  };
  return {
    usersOf: of,
    isHeld: (key) => of(key).length > 0 || unread().length > 0,
    refuseHeld: (key) => {
      refuse(key, of(key)[0]);
      const [unknown] = unread();
      if (unknown === undefined) return;
      const message = `nobody can tell whether the volume ${key} is attached: ${unknown.message}, then start the controller again`;
      throw new HypemanError('transient', 'VolumeInUse', message);
    },
    claim: async (record, write) => {
      // What it has already it keeps: the end of a run must not wait for anybody.
      const before = records().find(({ key }) => key === record.key);
      const had = before === undefined ? [] : volumesHeldBy(before);
      for (const { key, readonly } of volumesHeldBy(record))
        if (!had.some((one) => one.key === key && one.readonly === readonly))
          refuse(key, whoBars(of(key, record.key), readonly));
      writing.add(record);
      try {
        await write();
      } finally {
        writing.delete(record);
      }
    },
  };
}
