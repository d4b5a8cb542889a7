import type { Origin } from '../../src/machine/base.ts';
import { instanceId, keyOf, tapNameFor } from '../../src/machine/ids.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';

/** A record as the first plan writes it, of the instance `default/<name>`. */
export function freshRecord(name: string, changes: Partial<InstanceRecord> = {}): InstanceRecord {
  const id = instanceId(`${name}aaaaaaaaaaaaaaaaaaaaaaaa`.slice(0, 24));
  return {
    version: 1,
    key: keyOf('default', name),
    uid: `uid-of-${name}`,
    identity: {
      id,
      ip: '10.100.0.2',
      gateway: '10.100.0.1',
      mac: '02:00:0a:64:00:02',
      tap: tapNameFor(id, 'test'),
      owner: { uid: 0x7000_0001, gid: 0x7000_0001, sharedGid: 0x7000_0000 },
      salt: '00'.repeat(32),
    },
    createdAt: 1_700_000_000_000,
    restarts: 0,
    failures: 0,
    ...changes,
  };
}

/** Where a base is from, of a stopped `default/source` with its overlay. */
export const ORIGIN: Origin = {
  version: 1,
  instance: keyOf('default', 'source'),
  takenAt: 1_700_000_000_000,
  image: { reference: 'demo', digest: 'sha256:00' },
  salt: '00'.repeat(32),
  disks: [{ serial: 'overlay' }],
};
