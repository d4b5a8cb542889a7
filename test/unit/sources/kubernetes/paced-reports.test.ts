import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { pino } from 'pino';
import type { InstanceEvent } from '../../../../src/api/reported.ts';
import type { InstanceStatus } from '../../../../src/api/status.ts';
import type { ApiRequest, ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { EventWriter } from '../../../../src/sources/kubernetes/event-writer.ts';
import { ServerTurns } from '../../../../src/sources/kubernetes/server-turns.ts';
import { PacedReports } from '../../../../src/sources/kubernetes/paced-reports.ts';
import type { Rate } from '../../../../src/sources/kubernetes/passing-rate.ts';
import { ReportedStatuses } from '../../../../src/sources/kubernetes/reported-statuses.ts';
import { object } from '../../../support/scripted-collection.ts';

const WEB = object('web', 1);

function status(message: string, reconciling: boolean): InstanceStatus {
  const one = { reason: 'Because', lastTransitionTime: '2026-11-22T07:00:00Z', observedGeneration: 1 };
  return {
    observedGeneration: 1,
    conditions: [
      { ...one, type: 'Ready', status: 'False', message },
      ...(reconciling ? [{ ...one, type: 'Reconciling', status: 'True' as const, message }] : []),
    ],
  };
}
const passing = (message: string): InstanceStatus => status(message, true);
const atRest = (message: string): InstanceStatus => status(message, false);
function event(message: string, type: InstanceEvent['type'] = 'Normal'): InstanceEvent {
  return { type, reason: 'Happened', message, at: 0 };
}

type Stage = {
  readonly reports: PacedReports;
  readonly written: string[];
  readonly trouble: string[];
  /** So many answers from now on are refusals. */
  readonly refuse: (count: number) => void;
  /** No answer comes any more. */
  readonly fallSilent: () => void;
};

/** A server that keeps what is written, and takes its time for each answer. */
function stage(rate?: Rate): Stage {
  let refusals = 0;
  let isSilent = false;
  const written: string[] = [];
  const trouble: string[] = [];
  let version = 1;
  const api: ApiServer = {
    ask: async ({ method, body, path }: ApiRequest) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (path.includes('/events')) {
        written.push(`event ${(body as { note: string }).note}`);
        return { status: 201, body: {} };
      }
      if (isSilent) return new Promise<never>(() => undefined);
      if (method === 'GET') return { status: 200, body: { metadata: WEB.document.metadata } };
      if (JSON.stringify(body).includes('"unfit"')) {
        written.push('refused');
        return { status: 422, body: { message: 'does not fit the schema' } };
      }
      if (refusals > 0) {
        refusals -= 1;
        return { status: 403, body: { message: 'forbidden' } };
      }
      version += 1;
      const [, { value }] = body as [unknown, { value: InstanceStatus }];
      written.push(value.conditions[0]?.message ?? '');
      const metadata = { namespace: 'n', name: 'web', uid: 'uid-web', resourceVersion: String(version) };
      return { status: 200, body: { metadata, status: value } };
    },
    stream: () => Promise.reject(new Error('nothing is watched here')),
    close: () => undefined,
  };
  const reports = new PacedReports({
    statuses: new ReportedStatuses(api),
    events: new EventWriter({ turns: new ServerTurns(api), log: pino({ level: 'silent' }), nodeName: 'a' }),
    onWritten: () => undefined,
    onTrouble: (key) => trouble.push(key),
    passingMs: 40,
    ...(rate === undefined ? {} : { rate }),
  });
  return {
    reports,
    written,
    trouble,
    refuse: (count) => {
      refusals = count;
    },
    fallSilent: () => {
      isSilent = true;
    },
  };
}

/** Many at once, each with a first status, one that passes and one at rest; how many statuses were written. */
async function startMany(count: number): Promise<readonly string[]> {
  const { reports, written } = stage({ perSecond: 1, atOnce: 10 });
  const all = Array.from({ length: count }, (_, index) => object(`web-${index}`, 1));
  await Promise.all(all.map((one) => reports.report(one, passing(`begins ${one.key}`), [])));
  await sleep(60);
  for (const one of all) await reports.report(one, passing(`boots ${one.key}`), []);
  await Promise.all(all.map((one) => reports.report(one, atRest(`runs ${one.key}`), [])));
  await reports.close();
  for (const { key } of all) expect(written.filter((text) => text === `runs ${key}`)).toHaveLength(1);
  return written;
}

describe('reports at their pace', () => {
  test('among hundreds what passes is written for a few, and what is at rest for each, once', async () => {
    const written = await startMany(300);
    expect(written.filter((text) => !text.startsWith('runs')).length).toBeLessThanOrEqual(12);
  });

  test('one that begins in a burst and stays at it is told of when its turn comes', async () => {
    const { reports, written } = stage({ perSecond: 20, atOnce: 1 });
    await reports.report(object('first', 1), passing('takes the turn'), []);
    await reports.report(WEB, passing('waits for a registry'), []);
    expect(written).toEqual(['takes the turn']);
    await vi.waitFor(() => {
      expect(written).toContain('waits for a registry');
    }, 5_000);
    await reports.close();
  });

  test('the first and what is at rest are written at once, what passes between is overtaken', async () => {
    const { reports, written } = stage();
    await reports.report(WEB, passing('first'), []);
    await reports.report(WEB, passing('second'), []);
    await reports.report(WEB, passing('third'), []);
    expect(written).toEqual(['first']);
    expect(reports.last(WEB)).toEqual(passing('third'));
    await reports.report(WEB, atRest('fourth'), []);
    expect(written).toEqual(['first', 'fourth']);
    await reports.close();
    expect(written).toEqual(['first', 'fourth']);
  });

  test('what nothing overtakes is written a moment later', async () => {
    const { reports, written } = stage();
    await reports.report(WEB, passing('first'), []);
    await reports.report(WEB, passing('second'), []);
    await expect.poll(() => written).toEqual(['first', 'second']);
    await reports.close();
  });

  test('the end writes what still waits', async () => {
    const { reports, written } = stage();
    await reports.report(WEB, passing('first'), []);
    await reports.report(WEB, passing('second'), []);
    await reports.close();
    expect(written).toEqual(['first', 'second']);
  });

  test('an older status never comes last, however slow its write', async () => {
    const { reports, written } = stage();
    await Promise.all(['one', 'two', 'three'].map((message) => reports.report(WEB, atRest(message), [])));
    expect(written.at(-1)).toBe('three');
    await reports.close();
  });

  test('of several that wait for a slow write, the last is written once, and its event told once', async () => {
    const { reports, written } = stage();
    const told = ['one', 'two', 'three'].map((message) =>
      reports.report(WEB, atRest(message), [event(message)]),
    );
    await Promise.all(told);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await reports.close();
    expect(written.filter((line) => line === 'three')).toHaveLength(1);
    expect(written.filter((line) => line.startsWith('event'))).toEqual([
      'event one',
      'event two',
      'event three',
    ]);
  });

  test('a burst is told by its warnings and its last events', async () => {
    const { reports, written } = stage();
    await reports.report(WEB, passing('first'), []);
    await reports.report(WEB, passing('second'), [event('a'), event('w', 'Warning')]);
    await reports.report(WEB, passing('third'), [event('b'), event('c')]);
    await reports.report(WEB, atRest('fourth'), [event('d')]);
    await reports.close();
    expect(written).toEqual(['first', 'fourth', 'event w', 'event b', 'event c', 'event d']);
  });

  test('a late write that is refused is tried again', async () => {
    const { reports, written, trouble, refuse } = stage();
    await reports.report(WEB, passing('first'), []);
    refuse(1);
    await reports.report(WEB, passing('second'), []);
    await expect.poll(() => written, { timeout: 5_000 }).toEqual(['first', 'second']);
    expect(trouble).toEqual(['n/web']);
    await reports.close();
  });

  test('of many at rest a few passes stand by, the others go on, and each status is written', async () => {
    const { reports, written } = stage();
    const all = Array.from({ length: 40 }, (_, index) => object(`web-${index}`, 1));
    const told = all.map((one) => reports.report(one, atRest(`runs ${one.key}`), []));
    await Promise.all(told.slice(4));
    expect(written).toEqual([]);
    await expect.poll(() => new Set(written)).toEqual(new Set(all.map(({ key }) => `runs ${key}`)));
    await reports.close();
    expect(written).toHaveLength(40);
  });

  test('one that must stand is on the server when its report resolves, among however many', async () => {
    const { reports, written } = stage();
    for (let index = 0; index < 40; index += 1)
      void reports.report(object(`web-${index}`, 1), atRest('runs'), []);
    await reports.report(WEB, atRest('left the node'), [], { mustStand: true });
    expect(written).toContain('left the node');
    await reports.close();
  });

  test('one at rest that goes in its turn and is refused is tried again until it stands', async () => {
    const { reports, written, trouble, refuse } = stage();
    const others = Array.from({ length: 4 }, (_, index) => object(`web-${index}`, 1));
    const told = Promise.allSettled(others.map((one) => reports.report(one, atRest('runs'), [])));
    refuse(5);
    await reports.report(WEB, atRest('the last word'), []);
    await told;
    await expect.poll(() => written, { timeout: 5_000 }).toContain('the last word');
    expect(trouble).toEqual(['n/web']);
    await reports.close();
  });

  test('one that the schema refuses is told of once, and not asked about for ever', async () => {
    const { reports, written, trouble } = stage();
    await reports.report(WEB, passing('first'), []);
    await reports.report(WEB, passing('unfit'), []);
    await expect.poll(() => trouble).toEqual(['n/web']);
    await sleep(500);
    expect(written).toEqual(['first', 'refused']);
    await reports.report(WEB, atRest('fits'), []);
    expect(written).toEqual(['first', 'refused', 'fits']);
    await reports.close();
  });

  test('the end does not wait for ever on a server that says nothing', async () => {
    const { reports, fallSilent } = stage();
    await reports.report(WEB, passing('first'), []);
    fallSilent();
    await reports.report(WEB, passing('second'), []);
    await reports.close();
  }, 15_000);

  test('one that somebody waits for is refused to his face', async () => {
    const { reports, written, refuse } = stage();
    refuse(1);
    await expect(reports.report(WEB, atRest('one'), [])).rejects.toMatchObject({ reason: 'Forbidden' });
    await reports.report(WEB, atRest('one'), []);
    expect(written).toEqual(['one']);
    await reports.close();
  });

  test('what passes after a refusal is written, too, and not only what is at rest one day', async () => {
    const { reports, written, refuse } = stage();
    refuse(1);
    await expect(reports.report(WEB, passing('one'), [])).rejects.toMatchObject({ reason: 'Forbidden' });
    await reports.report(WEB, passing('two'), []);
    await expect.poll(() => written).toEqual(['two']);
    await reports.close();
  });

  test('an instance that is forgotten is not written of any more', async () => {
    const { reports, written } = stage();
    await reports.report(WEB, passing('first'), []);
    await reports.report(WEB, passing('second'), []);
    reports.forget(WEB.key);
    await reports.close();
    expect(written).toEqual(['first']);
  });
});
