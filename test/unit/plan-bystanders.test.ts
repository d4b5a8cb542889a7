import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../src/api/instance.ts';
import { foresee } from '../../src/plan/foresee.ts';
import { plan } from '../../src/plan/plan.ts';
import type { Plan } from '../../src/plan/verdict.ts';
import type { World } from '../../src/plan/world.ts';
import { supposeForking, supposeMediated } from '../../src/plan-bystanders.ts';
import { asking, forkable, forkWorld, SOURCE_KEY, sourceWorld } from '../support/fork-worlds.ts';
import { standbyWorld } from '../support/standby-worlds.ts';
import {
  aRecord,
  aRun,
  freshWorld,
  imageOf,
  mediatedWorld,
  NOW,
  pinned,
  STARTED,
  wanted,
} from '../support/worlds.ts';

const running = mediatedWorld();
const RECORD = running.record === 'absent' ? aRecord() : running.record;
const REVISION = running.egress.policy.state === 'in-force' ? running.egress.policy.revision : '';

/** What somebody sees who may not ask proxy, kernel and guest. */
function fromOutside(policyRevision?: string): ReturnType<typeof supposeMediated> {
  return supposeMediated({
    ...running,
    record: aRecord({
      ...(RECORD.run === undefined ? {} : { run: RECORD.run }),
      ...(RECORD.image === undefined ? {} : { image: RECORD.image }),
      ...(RECORD.credentials === undefined ? {} : { credentials: RECORD.credentials }),
      ...(policyRevision === undefined ? {} : { policyRevision }),
    }),
    egress: { policy: { state: 'absent' } },
    network: { ...running.network, guard: { state: 'guarded' } },
    guest: {
      state: 'started',
      startedAt: STARTED.startedAt,
      agentReady: true,
    },
  });
}

describe('a plan for a mediated guest that runs under another process', () => {
  test('nothing is to be done when nothing was edited', () => {
    expect(plan(fromOutside(REVISION)).actions.map(({ kind }) => kind)).not.toContain('put-policy');
    expect(plan(fromOutside(REVISION)).actions.map(({ kind }) => kind)).not.toContain('guard-tap');
  });

  test('a rule or a value that was edited is put in force', () => {
    expect(plan(fromOutside('before the edit')).actions.map(({ kind }) => kind)).toEqual(['put-policy']);
  });

  test('a guest that never had a policy is not supposed to have one', () => {
    expect(fromOutside()).toMatchObject({ egress: { policy: { state: 'absent' } } });
  });
});

type ForkFrom = NonNullable<InstanceSpec['forkFrom']>;
const FORK_FROM: ForkFrom = { instance: 'base', fromRunning: true, credentials: 'Inherit' };
const MOUNT = { volume: 'data', mountPath: '/data', readonly: false, overlay: false } as const;
const DECLARED = freshWorld({ key: SOURCE_KEY });

/** What is told of a fork that is only declared, on a host where its source is as it is seen from outside. */
async function planned(source: World, forkFrom: ForkFrom = FORK_FROM): Promise<readonly Plan[]> {
  const fork = freshWorld({ desired: wanted({ forkFrom }) });
  return foresee(await supposeForking(fork, (key) => Promise.resolve({ ...source, key })));
}

function stepsIn(rounds: readonly Plan[]): readonly string[] {
  return rounds.flatMap(({ actions }) => actions.map(({ kind }) => kind));
}

const ASKED = ['write-record', 'keep-inheritance', 'write-record'];

describe('a plan for a fork that is only declared', () => {
  test.each<readonly [string, World, RegExp]>([
    ['that runs', sourceWorld({ guest: STARTED }), /default\/base stands still for a moment, then the fork/],
    [
      'in standby',
      standbyWorld({ desired: wanted({ state: 'Standby' }) }),
      /from the memory and the disks of/,
    ],
    [
      'that is stopped',
      sourceWorld({
        desired: wanted({ state: 'Stopped' }),
        record: aRecord({ image: pinned(), run: aRun(), stoppedAt: NOW }),
        machine: { state: 'absent' },
        guest: { state: 'silent' },
      }),
      /gets copies of the disks of default\/base/,
    ],
    ['that these files declare too', DECLARED, /default\/base stands still for a moment, then the fork/],
  ])('tells its steps, and what becomes of a source %s', async (_how, source, words) => {
    const rounds = await planned(source);
    expect(stepsIn(rounds)).toEqual(ASKED);
    expect(rounds.at(-1)).toMatchObject({ verdict: 'waiting', reason: 'Forking', actions: [] });
    expect(rounds.at(-1)?.message).toMatch(words);
    expect(rounds).toHaveLength(3);
  });

  test.each<readonly [string, World, ForkFrom, string]>([
    ['runs and may not be disturbed', DECLARED, { ...FORK_FROM, fromRunning: false }, 'fromRunning: true'],
    [
      'writes to a volume',
      sourceWorld({ record: aRecord({ image: pinned(), run: aRun({ volumes: [MOUNT] }) }) }),
      FORK_FROM,
      'mounts data for writing',
    ],
    ['is not there', freshWorld({ desired: { is: 'gone' } }), FORK_FROM, 'there is no Instance default/base'],
    [
      'is not started by its own plan',
      freshWorld({ image: { ...imageOf('x'), config: { ...imageOf('x').config, entrypoint: [], cmd: [] } } }),
      FORK_FROM,
      'default/base is declared and not there yet',
    ],
  ])('says why a source that %s cannot be forked', async (_how, source, forkFrom, words) => {
    const rounds = await planned(source, forkFrom);
    expect(stepsIn(rounds)).toEqual(['write-record']);
    expect(rounds.at(-1)).toMatchObject({ reason: 'SourceNotReady' });
    expect(rounds.at(-1)?.message).toContain(words);
  });

  test('says what a fork on record waits for', async () => {
    const source = sourceWorld({ guest: STARTED });
    const see = (): never => {
      throw new Error('its source is seen already');
    };
    const waiting = foresee(await supposeForking(forkWorld(forkable(source), {}, asking()), see));
    expect(waiting).toHaveLength(1);
    expect(waiting[0]).toMatchObject({ reason: 'Forking', actions: [] });
  });

  test('leaves who is no fork alone', async () => {
    const world = freshWorld();
    expect(await supposeForking(world, () => Promise.reject(new Error('it has no source')))).toBe(world);
  });
});
