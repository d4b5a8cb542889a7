import { describe, expect, test } from 'vitest';
import type { World } from '../../../src/plan/world.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import {
  aRecord,
  aRun,
  heldPolicy,
  MEDIATED,
  mediated,
  mediatedWorld,
  NOW,
  pinned,
  PORTS,
  runningWorld,
} from '../../support/worlds.ts';

const AWAY: World['egress'] = { problem: 'its process ended', policy: { state: 'absent' } };
const ROTATED = { is: 'ready', revision: 'revision-2', digests: { API_KEY: 'digest-of-new-key' } } as const;
const record = aRecord({ image: pinned(), credentials: {} });

describe('a guest that may still send, whatever is known of it', () => {
  test('while nobody knows what is declared, it is still led to its proxy, and guarded', () => {
    const refused = { reason: 'SourceLost', message: 'the directory is gone' } as const;
    const desired = { is: 'held', uid: 'uid-1', generation: 2, refused } as const;
    expect(stepsOf(mediatedWorld({ desired }))).toEqual([]);
    const moved = heldPolicy('revision-1', { ...PORTS, explicit: 7 });
    expect(stepsOf(mediatedWorld({ desired, egress: moved }))).toEqual(['guard all 7']);
    const network: World['network'] = { ...runningWorld().network, guard: { state: 'open' } };
    expect(stepsOf(mediatedWorld({ desired, network }))).toEqual(['guard all 40001']);
    expect(stepsOf(mediatedWorld({ desired, network, egress: AWAY }))).toEqual(['guard all']);
    // Mediation may have been switched on since it was started: the proxy was given something for it.
    const begunOpen = { desired, network, egress: AWAY, record: aRecord({ run: aRun(), credentials: {} }) };
    expect(stepsOf(mediatedWorld(begunOpen))).toEqual(['guard all']);
    expect(stepsOf(mediatedWorld({ ...begunOpen, record: aRecord({ run: aRun() }) }))).toEqual(['guard']);
  });

  test.each<[string, Partial<World>]>([
    [
      'is being stopped',
      { desired: mediated({ state: 'Stopped' }, { credentials: ROTATED }), record: stopping() },
    ],
    [
      'cannot be asked',
      {
        desired: mediated({}, { credentials: ROTATED }),
        machine: { state: 'unknown', process: { pid: 1, startTime: 1, bootId: 'b' }, error: 'no answer' },
      },
    ],
    ['says that it ended', { desired: mediated({}, { credentials: ROTATED }), ...saysItEnded() }],
  ])('a rotation reaches one that %s', (_, changes) => {
    expect(stepsOf(mediatedWorld(changes))[0]).toBe('put all 1');
  });

  test('one that is being removed is led to the proxy that there is, and to none that is gone', () => {
    const removed = mediatedWorld({ desired: { is: 'gone' }, record: stopping() });
    expect(stepsOf(removed)).toEqual(['request-shutdown']);
    expect(stepsOf({ ...removed, egress: AWAY })).toEqual(['guard all', 'request-shutdown']);
    const anew = heldPolicy('revision-1', { ...PORTS, explicit: 7 });
    expect(stepsOf({ ...removed, egress: anew })).toEqual(['guard all 7', 'request-shutdown']);
    expect(stepsOf({ ...removed, machine: { state: 'absent' } })).toEqual(['remove-network']);
  });

  test('one that says it ended is not led to a proxy that is gone, and its exit is on record first', () => {
    const told = mediatedWorld({ ...saysItEnded(), record: running(), egress: AWAY });
    expect(stepsOf(told)).toEqual(['write-record', 'acknowledge-exit']);
    const recorded = mediatedWorld({ ...saysItEnded(), egress: AWAY });
    expect(stepsOf(recorded)).toEqual(['guard all', 'acknowledge-exit']);
  });
});

function running(): ReturnType<typeof aRecord> {
  return { ...record, run: aRun(MEDIATED) };
}

/** Nobody knows whether that is true as long as its machine runs. */
function saysItEnded(): Pick<World, 'record' | 'guest'> {
  const exit = { code: 0, message: 'exit code 0' };
  return {
    record: { ...running(), exit: { ...exit, at: NOW } },
    guest: { state: 'exited', exit },
  };
}

function stopping(): World['record'] {
  return { ...running(), stopping: { since: NOW - 1_000, because: 'Stopped' } };
}
