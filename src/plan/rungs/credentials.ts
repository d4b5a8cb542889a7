import type { Fields, InstanceRecord } from '../../machine/record.ts';
import { isPolicyCurrent, policyWanted } from '../mediation.ts';
import { withCredentials } from '../records.ts';
import type { Rung } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';
import { PREPARING } from './overlay.ts';

/** A rotation, or another rule, is on record once the proxy has it: that is when it counts. */
export const credentialsRecorded: Rung<RecordedWorld> = (world) => {
  const record = credentialsNoted(world);
  const isNoted = record.policyRevision === world.record.policyRevision;
  return isNoted && isSame(record.credentials, world.record.credentials)
    ? met
    : unmet('Preparing', PREPARING, { kind: 'write-record', record });
};

/**
 * The record with a note of every value that the proxy has now; unchanged while it has not what is wanted. Of a value
 * that is missing, the note of before stays.
 */
export function credentialsNoted(world: RecordedWorld): InstanceRecord {
  const { record, desired, now } = world;
  const { credentials } = desired;
  const policy = policyWanted(world);
  if (credentials.is === 'none' || policy === undefined || !isPolicyCurrent(world)) return record;
  const names = new Set(policy.grants.map(({ credential }) => credential));
  const digests = { ...digestsNoted(record, names), ...credentials.digests };
  return { ...withCredentials(record, digests, now), policyRevision: credentials.revision };
}

function digestsNoted({ credentials = {} }: InstanceRecord, names: ReadonlySet<string>): Fields {
  const noted = Object.entries(credentials).filter(([name]) => names.has(name));
  return Object.fromEntries(noted.map(([name, { digest }]) => [name, digest]));
}

type Noted = InstanceRecord['credentials'];

function isSame(one: Noted, other: Noted): boolean {
  if (one === undefined || other === undefined) return one === other;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && one[name]?.digest === other[name]?.digest)
  );
}
