import type { Instance } from '../api/instance.ts';
import type { ProgramExit } from '../machine/guest.ts';
import type { CloneMethod, Hypervisor } from '../machine/machine.ts';
import type { Base } from '../machine/base.ts';
import { keyOf, nameOf, namespaceOf } from '../machine/ids.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import type { Applied, Fields, Forking, InstanceRecord, StopReason } from '../machine/record.ts';
import { FORK_FIELD, NETWORK_FIELD } from './fields.ts';
import { elapsed, GOOD_RUN_MS } from './patience.ts';
import type { KnownWorld, WantedWorld } from './world.ts';

/** How a record goes on. Each returns a new one; none forgets who the instance is. */

type Run = NonNullable<InstanceRecord['run']>;
type Draft = { -readonly [K in keyof InstanceRecord]: InstanceRecord[K] };

function changed(record: InstanceRecord, change: (draft: Draft) => void): InstanceRecord {
  const draft = { ...record };
  change(draft);
  return draft;
}

/** The first record of an instance. Undefined when nobody proposed an identity. */
export function newRecord({ key, desired, proposal, now }: WantedWorld): InstanceRecord | undefined {
  if (proposal === 'unneeded') return undefined;
  return {
    ...{ version: 1, key, uid: desired.uid, identity: proposal, createdAt: now, restarts: 0, failures: 0 },
    ...forkingOf(key, desired.instance),
  };
}

/** Whom an instance is to be a fork of, if it is to be one. */
export function forkingOf(key: InstanceKey, { spec }: Instance): Pick<InstanceRecord, 'fork'> {
  const { forkFrom } = spec;
  return forkFrom === undefined ? {} : { fork: { instance: keyOf(namespaceOf(key), forkFrom.instance) } };
}

/** It is to be a fork of somebody else, or of nobody; what little was made for it before does not count. */
export function withForking(record: InstanceRecord, { fork }: Pick<InstanceRecord, 'fork'>): InstanceRecord {
  return changed(record, (draft) => {
    delete draft.fork;
    delete draft.image;
    if (fork !== undefined) draft.fork = fork;
  });
}

/** From now on its source knows that a base is waited for. */
export function withAsked(record: InstanceRecord, of: InstanceId, at: number): InstanceRecord {
  return record.fork === undefined
    ? record
    : { ...record, fork: { ...record.fork, askedAt: at, askedOf: of } };
}

export type Taking = {
  readonly base: Base;
  readonly at: number;
  readonly generation: number;
  readonly restartedAt: string | undefined;
  readonly diskCopy: CloneMethod | undefined;
  /** It is declared to have one. */
  readonly isNetworked: boolean;
};

/** It is its source's run that goes on, under its own name; of a stopped one there are the disks alone. */
export function withBase(record: InstanceRecord, fork: Forking, taking: Taking): InstanceRecord {
  const { base, at, generation, restartedAt, diskCopy, isNetworked } = taking;
  const { origin, manifest } = base;
  return changed(record, (draft) => {
    draft.fork = { ...fork, source: manifest.source, base: base.id };
    if (origin.sourcePauseMs !== undefined)
      draft.fork = { ...draft.fork, sourcePauseMs: origin.sourcePauseMs };
    if (diskCopy !== undefined && origin.disks.length > 0) draft.fork = { ...draft.fork, diskCopy };
    draft.identity = { ...record.identity, salt: origin.salt };
    draft.image = origin.image;
    if (restartedAt !== undefined) draft.restartedAt = restartedAt;
    delete draft.exit;
    delete draft.stopping;
    delete draft.stoppedAt;
    if (origin.run === undefined || manifest.memory === undefined) return;
    const { hypervisor } = origin.run;
    const { fields, ...link } = goingOnFrom(origin.run, isNetworked);
    draft.run = {
      ...{ startedAt: at, hypervisor, ...link, readyAt: at, standby: { is: 'suspended', at } },
      applied: { generation, fields: { ...fields, [FORK_FIELD]: nameOf(fork.instance) } },
    };
  });
}

/** A network device cannot be taken from a memory that knows it: the link can, before the guest goes on. */
function goingOnFrom(
  { applied: { fields }, link }: NonNullable<Base['origin']['run']>,
  isNetworked: boolean,
): { readonly fields: Fields } & Pick<Run, 'link'> {
  if (link === undefined && (isNetworked || fields[NETWORK_FIELD] !== 'true')) return { fields };
  return { fields: { ...fields, [NETWORK_FIELD]: 'false' }, link: 'down' };
}

/** It has all of it, or gave up what it had not taken. */
export function withoutBase(record: InstanceRecord, now: number): InstanceRecord {
  const { fork } = record;
  if (fork?.base === undefined) return record;
  const rest: { -readonly [K in keyof Forking]: Forking[K] } = { completedAt: now, ...fork };
  delete rest.base;
  return { ...record, fork: rest };
}

/** What it was to start from is lost, and nothing of it was taken: it asks for another. */
export function withoutSource(record: InstanceRecord, { instance }: Forking): InstanceRecord {
  return changed(record, (draft) => {
    draft.fork = { instance };
    delete draft.run;
    delete draft.image;
  });
}

export function withImage(record: InstanceRecord, reference: string, digest: string): InstanceRecord {
  return { ...record, image: { reference, digest } };
}

export function withoutImage(record: InstanceRecord): InstanceRecord {
  return changed(record, (draft) => {
    delete draft.image;
  });
}

export type Start = {
  readonly at: number;
  readonly hypervisor: Hypervisor;
  readonly applied: Applied;
  readonly restartedAt: string | undefined;
};

/** A run begins: what the last one left is forgotten, the count of ends in a row is not. */
export function withStart(record: InstanceRecord, start: Start): InstanceRecord {
  const { at, hypervisor, applied, restartedAt } = start;
  return changed(record, (draft) => {
    draft.run = { startedAt: at, hypervisor, applied };
    if (record.run !== undefined && record.failures > 0) draft.restarts++;
    if (restartedAt !== undefined) draft.restartedAt = restartedAt;
    delete draft.exit;
    delete draft.stopping;
    delete draft.stoppedAt;
  });
}

export function withReady(record: InstanceRecord, run: Run, at: number): InstanceRecord {
  return { ...record, run: { ...run, readyAt: at } };
}

/** The run goes on, on disk (`suspended`) or from there (`resumed`). */
export function withStandby(
  record: InstanceRecord,
  run: Run,
  standby: NonNullable<Run['standby']>,
): InstanceRecord {
  return { ...record, run: { ...run, standby } };
}

export function withMemory(record: InstanceRecord, run: Run, memoryBytes: number): InstanceRecord {
  return { ...record, run: { ...run, memoryBytes } };
}

/** The guest that goes on knows what it missed. */
export function withoutStandby(record: InstanceRecord, { standby, ...run }: Run): InstanceRecord {
  return standby === undefined ? record : { ...record, run };
}

export function withStopping(record: InstanceRecord, because: StopReason, since: number): InstanceRecord {
  return { ...record, stopping: { since, because } };
}

export function withExit(record: InstanceRecord, exit: ProgramExit, at: number): InstanceRecord {
  return { ...record, exit: { ...exit, at } };
}

/** What the proxy holds now, by credential: a value that is another one than before is the next generation. */
export function withCredentials(record: InstanceRecord, digests: Fields, now: number): InstanceRecord {
  const known = record.credentials ?? {};
  const entries = Object.entries(digests).map(([name, digest]) => {
    const before = Object.hasOwn(known, name) ? known[name] : undefined;
    if (before?.digest === digest) return [name, before] as const;
    return [name, { digest, generation: (before?.generation ?? 0) + 1, rotatedAt: now }] as const;
  });
  return { ...record, credentials: Object.fromEntries(entries) };
}

/** The ends so far were somebody's wish or have been answered: the next start is not held back. */
export function withoutFailures(record: InstanceRecord): InstanceRecord {
  return { ...record, failures: 0 };
}

export const POWERED_OFF: ProgramExit = { message: 'powered off from inside the guest' };

/** The machine is gone: how the run ended, as far as anybody told. */
export function withEnd({ record, machine, guest, now }: KnownWorld): InstanceRecord {
  const isPoweredOff =
    machine.state === 'absent' && machine.ended === 'guest-shutdown' && record.stopping === undefined;
  const told = guest.state === 'exited' ? guest.exit : isPoweredOff ? POWERED_OFF : undefined;
  return changed(record, (draft) => {
    if (draft.exit === undefined && told !== undefined) draft.exit = { ...told, at: now };
    draft.stoppedAt = now;
    draft.failures = failuresAfter(record, now);
    const { fork } = withoutBase(record, now);
    if (fork !== undefined) draft.fork = fork;
    delete draft.stopping;
  });
}

function failuresAfter({ stopping, run, failures, exit }: InstanceRecord, now: number): number {
  if (stopping !== undefined && stopping.because !== 'NeverReady') return 0;
  const ranWell = run?.readyAt !== undefined && elapsed(run.readyAt, exit?.at ?? now) >= GOOD_RUN_MS;
  return ranWell ? 1 : failures + 1;
}
