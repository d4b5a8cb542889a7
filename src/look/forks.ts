import { answers } from '../machine/base.ts';
import type { Base } from '../machine/base.ts';
import { snapshotId } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { MachineState } from '../machine/machine.ts';
import { isRunOpen, waitsSince } from '../machine/record.ts';
import type { Forking, InstanceRecord } from '../machine/record.ts';
import type { SnapshotState } from '../machine/snapshot.ts';
import { BASE_WITHIN_MS, elapsed } from '../plan/patience.ts';
import { mayRun } from '../plan/suspended.ts';
import type { World } from '../plan/world.ts';
import type { Eyes } from './eyes.ts';

type ForkEyes = Pick<Eyes, 'storage' | 'snapshots' | 'newId' | 'now' | 'forkTroubles'>;

/** What a fork sees of its source, and a source of its forks. Nothing is looked for when there are none. */
export async function seeForks(
  eyes: ForkEyes,
  record: InstanceRecord,
  seeSource: (key: InstanceKey) => Promise<World>,
): Promise<Pick<World, 'forking' | 'base' | 'askers'>> {
  const { fork } = record;
  const askers = await seeAskers(eyes, record);
  const asks = askers === undefined ? {} : { askers };
  if (fork?.base !== undefined)
    return { ...asks, base: (await eyes.snapshots.bases()).find(({ id }) => id === fork.base) ?? 'absent' };
  if (fork === undefined || fork.source !== undefined) return asks;
  const bases = fork.askedAt === undefined ? [] : await basesFor(eyes, fork, fork.askedAt);
  const trouble = eyes.forkTroubles.get(fork.instance);
  const source = await seeSource(fork.instance);
  return { ...asks, forking: { source, bases, ...(trouble === undefined ? {} : { trouble }) } };
}

/** While a fork has not run on its own, the memory that it goes on from is its base's. */
export function seeStandby(
  { snapshots }: ForkEyes,
  record: InstanceRecord,
  machine: MachineState,
): Promise<SnapshotState> {
  const { fork, identity } = record;
  if (fork?.base === undefined || !isRunOpen(record) || mayRun({ machine }))
    return snapshots.standby(identity.id);
  return snapshots.base(fork.base);
}

/** Those whose asking no base has answered yet. */
async function seeAskers(
  eyes: ForkEyes,
  { key, identity: { id: source } }: InstanceRecord,
): Promise<World['askers']> {
  const now = eyes.now();
  const waiting = eyes.storage.forksOf(key).flatMap(({ fork, identity }) => {
    const askedAt = fork && waitsSince(fork);
    if (askedAt === undefined || elapsed(askedAt, now) >= BASE_WITHIN_MS) return [];
    return (fork?.askedOf ?? source) === source ? [{ id: identity.id, askedAt }] : [];
  });
  if (waiting.length === 0) return undefined;
  const bases = await eyes.snapshots.bases();
  const asked = { instance: key, askedOf: source };
  const forks = waiting.filter(({ askedAt }) => !bases.some((base) => answers(base, asked, askedAt)));
  return forks.length === 0 ? undefined : { forks, nextBase: snapshotId(eyes.newId()) };
}

async function basesFor(eyes: ForkEyes, fork: Forking, askedAt: number): Promise<readonly Base[]> {
  const bases = await eyes.snapshots.bases();
  return bases
    .filter((base) => answers(base, fork, askedAt))
    .sort((one, other) => one.origin.takenAt - other.origin.takenAt);
}
