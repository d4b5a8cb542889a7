import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../../../src/api/raw.ts';
import type { InstanceEvent } from '../../../../src/api/reported.ts';
import type { ApiRequest, ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { EventWriter } from '../../../../src/sources/kubernetes/event-writer.ts';
import { ServerTurns } from '../../../../src/sources/kubernetes/server-turns.ts';
import { object } from '../../../support/scripted-collection.ts';

const WEB = object('web', 1);
const HOUR = 3_600_000;

function event(message: string, at = 0): InstanceEvent {
  return { type: 'Warning', reason: 'Exited', message, at };
}

/** The server that answers with these, one after the other, and with the last one for ever. */
function stage(...statuses: readonly number[]): { events: EventWriter; said: string[] } {
  const said: string[] = [];
  const api: ApiServer = {
    ask: async ({ method, path, body }: ApiRequest) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const what = textAt(body, ['note']) ?? String(valueAt(body, ['series', 'count']));
      const status = statuses[Math.min(said.length, statuses.length - 1)] ?? 201;
      said.push(`${method} ${what}`);
      if (status === 0) throw new Error(`no answer to ${path}`);
      return { status, body: {} };
    },
    stream: () => Promise.reject(new Error('nothing is watched here')),
    close: () => undefined,
  };
  return {
    said,
    events: new EventWriter({
      turns: new ServerTurns(api),
      log: pino({ level: 'silent' }),
      nodeName: 'a',
      countMs: 20,
    }),
  };
}

describe('events', () => {
  test('one that repeats is written once and its count a moment later', async () => {
    const { events, said } = stage();
    events.record(WEB, [event('exit 1'), event('exit 1'), event('exit 2')]);
    events.record(WEB, [event('exit 1')]);
    await expect.poll(() => [...said].sort()).toEqual(['PATCH 3', 'POST exit 1', 'POST exit 2']);
    await events.close();
    expect(said).toHaveLength(3);
  });

  test('the end tells the counts that still wait', async () => {
    const { events, said } = stage();
    events.record(WEB, [event('exit 1'), event('exit 1')]);
    await events.close();
    expect(said).toEqual(['POST exit 1', 'PATCH 2']);
  });

  test('a Warning goes ahead of what went as it should, and is not among what is left out', async () => {
    const { events, said } = stage();
    const calm = Array.from({ length: 1_100 }, (_, at): InstanceEvent => ({
      ...{ type: 'Normal', reason: 'Started', message: `start ${at}`, at },
    }));
    events.record(WEB, [event('before'), ...calm, event('after')]);
    await expect.poll(() => said).toContain('POST after');
    expect(said).toContain('POST before');
    expect(said.length).toBeLessThan(20);
    await expect.poll(() => said, { timeout: 20_000 }).toContain('POST start 1099');
    await events.close();
    expect(said).toContain('POST start 0');
    expect(said).not.toContain('POST start 50');
    expect(said.length).toBeLessThan(1_050);
  });

  test('the end waits for Warnings, and not for long for what went as it should', async () => {
    const { events, said } = stage();
    const calm = Array.from({ length: 1_000 }, (_, at): InstanceEvent => ({
      ...{ type: 'Normal', reason: 'Started', message: `start ${at}`, at },
    }));
    events.record(WEB, [...calm, event('last')]);
    const before = performance.now();
    await events.close();
    expect(performance.now() - before).toBeLessThan(4_000);
    expect(said).toContain('POST last');
    expect(said.length).toBeLessThan(1_000);
  });

  test('after an hour the server has forgotten it: another begins', async () => {
    const { events, said } = stage();
    events.record(WEB, [event('exit 1')]);
    events.record(WEB, [event('exit 1', HOUR + 1)]);
    await events.close();
    expect(said).toEqual(['POST exit 1', 'POST exit 1']);
  });

  test.each([429, 500, 0])('one whose first telling failed (%i) is told when it repeats', async (status) => {
    const { events, said } = stage(status, 201);
    events.record(WEB, [event('exit 1')]);
    await expect.poll(() => said).toHaveLength(1);
    events.record(WEB, [event('exit 1')]);
    await expect.poll(() => said).toEqual(['POST exit 1', 'POST exit 1']);
    events.record(WEB, [event('exit 1')]);
    await events.close();
    expect(said.slice(2)).toEqual(['PATCH 3']);
  });

  test('one that the server has forgotten is made once more, and one that it had all the time is counted', async () => {
    const { events, said } = stage(201, 404, 409, 200);
    events.record(WEB, [event('exit 1'), event('exit 1')]);
    await expect.poll(() => said).toEqual(['POST exit 1', 'PATCH 2', 'POST exit 1']);
    events.record(WEB, [event('exit 1')]);
    await events.close();
    expect(said.slice(3)).toEqual(['PATCH 3']);
  });

  test('another object of the same name has events of its own', async () => {
    const { events, said } = stage();
    events.record(WEB, [event('exit 1')]);
    events.record(object('web', 9, 'another'), [event('exit 1')]);
    await events.close();
    expect(said).toEqual(['POST exit 1', 'POST exit 1']);
  });

  test.each([0, 403])(
    'what the server does not take (%i) is dropped and holds up nothing',
    async (status) => {
      const { events, said } = stage(status);
      events.record(WEB, [event('exit 1'), event('exit 2')]);
      await events.close();
      expect(said).toHaveLength(2);
    },
  );
});
