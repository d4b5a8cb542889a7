import { expect, test } from 'vitest';
import type { Answer, ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { ServerTurns } from '../../../../src/sources/kubernetes/server-turns.ts';
import type { Urgency } from '../../../../src/sources/kubernetes/server-turns.ts';

type Stage = {
  readonly ask: (urgency: Urgency, path?: string) => Promise<Answer>;
  /** What was begun, in order. */
  readonly begun: string[];
  /** Answers the oldest of what is under way. */
  readonly answer: () => Promise<void>;
  readonly breakOldest: () => Promise<void>;
};

/** A server that answers when it is told to. */
function stage(): Stage {
  const begun: string[] = [];
  const open: PromiseWithResolvers<Answer>[] = [];
  const api: ApiServer = {
    ask: ({ path }) => {
      begun.push(path);
      const answer = Promise.withResolvers<Answer>();
      open.push(answer);
      return answer.promise;
    },
    stream: () => Promise.reject(new Error('nothing is watched here')),
    close: () => undefined,
  };
  const turns = new ServerTurns(api);
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    begun,
    ask: (urgency, path = urgency) => turns.for(urgency).ask({ method: 'PATCH', path }),
    answer: async () => {
      open.shift()?.resolve({ status: 200, body: {} });
      await settled();
    },
    breakOldest: async () => {
      await settled();
      open.shift()?.reject(new Error('no answer'));
      await settled();
    },
  };
}

function count(begun: readonly string[], what: Urgency): number {
  return begun.filter((one) => one === what).length;
}

test('a claim begins at once, however many statuses and Events wait', async () => {
  const { ask, begun } = stage();
  for (let index = 0; index < 100; index += 1) {
    void ask('event');
    void ask('status');
  }
  void ask('claim');
  await Promise.resolve();
  expect(count(begun, 'status') + count(begun, 'event')).toBeLessThan(10);
  expect(count(begun, 'claim')).toBe(1);
});

test('what is more urgent goes first when there is room again; among equals the first', async () => {
  const { ask, begun, answer } = stage();
  for (let index = 0; index < 16; index += 1) void ask('claim');
  void ask('event', 'an event');
  void ask('status', 'a status');
  void ask('claim', 'one more claim');
  void ask('claim', 'yet another claim');
  for (let left = 20; left > 0; left -= 1) await answer();
  expect(begun.slice(16)).toEqual(['one more claim', 'yet another claim', 'a status', 'an event']);
});

test('a request that fails makes room like any other', async () => {
  const { ask, begun, breakOldest } = stage();
  const first = ask('event', 'first');
  void ask('event', 'second');
  void ask('event', 'third');
  first.catch(() => undefined);
  await breakOldest();
  await expect(first).rejects.toThrow('no answer');
  expect(begun).toEqual(['first', 'second', 'third']);
});
