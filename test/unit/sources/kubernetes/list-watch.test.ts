import { describe, expect, test } from 'vitest';
import type { Answer, ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { listWatchOf } from '../../../../src/sources/kubernetes/list-watch.ts';
import type { ListWatch, WatchEvent } from '../../../../src/sources/kubernetes/list-watch.ts';

function over(answer: Answer, line = ''): ListWatch {
  const api: ApiServer = {
    ask: () => Promise.resolve(answer),
    stream: () => Promise.resolve({ is: 'open', lines: linesOf(line) }),
    close: () => undefined,
  };
  return listWatchOf(api, { path: '/api/v1/secrets', selector: {} });
}

async function* linesOf(text: string): AsyncGenerator<{ is: 'line'; text: string }> {
  yield await Promise.resolve({ is: 'line', text });
}

const { signal } = new AbortController();

describe('what is no answer of an API server', () => {
  test.each([
    ['a page of a proxy', { message: '<html>log in' }],
    ['nothing', {}],
    ['a list without a version', { items: [], metadata: { resourceVersion: '' } }],
  ])('is no empty list: %s', async (_, body) => {
    expect(await over({ status: 200, body }).list({}, signal)).toMatchObject({ is: 'refused' });
  });

  test('is not quoted: a line that is cut may be that of a Secret', async () => {
    const events: WatchEvent[] = [];
    for await (const event of over({ status: 200, body: {} }, '{"token": hunter2}').watch('1', signal))
      events.push(event);
    expect(events).toMatchObject([{ is: 'open' }, { is: 'refused' }]);
    expect(JSON.stringify(events)).not.toContain('hunter2');
  });
});
