import { describe, expect, test } from 'vitest';
import type { Listed, WatchEvent } from '../../../../src/sources/kubernetes/list-watch.ts';
import { object, page, play } from '../../../support/scripted-collection.ts';

const OPEN: WatchEvent = { is: 'open' };
const EXPIRED = { is: 'expired' } as const;
const SILENT: WatchEvent = { is: 'silent' };

function put(name: string, version: number, uid?: string): WatchEvent {
  return { is: 'put', object: object(name, version, uid) };
}
function refused(message: string, retryAfterMs?: number): Extract<Listed, { is: 'refused' }> {
  return { is: 'refused', message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

describe('a reflector', () => {
  test('tells what the pages hold and watches from the version of the list', async () => {
    const { asked, told } = await play({
      lists: [page([object('a', 1)], 7, 'next'), page([object('b', 2)], 7)],
      watches: [{ events: [OPEN], then: 'stay' }],
    });
    expect(asked).toEqual(['list', 'list next', 'watch 7']);
    expect(told).toEqual(['put n/a@1', 'put n/b@2', 'following']);
  });

  test('goes on from the last event, or bookmark, when a watch ends', async () => {
    const { asked, pauses } = await play({
      lists: [page([], 7)],
      watches: [
        { events: [OPEN, put('a', 9)], then: 'end' },
        { events: [OPEN, { is: 'bookmark', resourceVersion: '12' }], then: 'end' },
        { events: [OPEN, { is: 'gone', object: object('a', 15) }], then: 'break' },
        { events: [OPEN], then: 'stay' },
      ],
    });
    expect(asked).toEqual(['list', 'watch 7', 'watch 9', 'watch 12', 'watch 15']);
    // The break alone is waited after.
    expect(pauses).toHaveLength(1);
  });

  test('lists anew when its version is not known any more, and tells what vanished meanwhile', async () => {
    const { asked, told } = await play({
      lists: [page([object('a', 1), object('b', 2)], 7), page([object('b', 2)], 20)],
      watches: [
        { events: [EXPIRED], then: 'end' },
        { events: [OPEN], then: 'stay' },
      ],
    });
    expect(asked).toEqual(['list', 'watch 7', 'list', 'watch 20']);
    expect(told).toEqual(['put n/a@1', 'put n/b@2', 'following', 'put n/b@2', 'gone n/a uid-a']);
  });

  test('tells the end of the first when another object took its name', async () => {
    const { told } = await play({
      lists: [page([object('a', 1, 'one')], 7), page([object('a', 9, 'two')], 20)],
      watches: [
        { events: [EXPIRED], then: 'end' },
        { events: [OPEN, put('a', 30, 'three')], then: 'stay' },
      ],
    });
    expect(told).toEqual([
      'put n/a@1',
      'following',
      'gone n/a one',
      'put n/a@9',
      'gone n/a two',
      'put n/a@30',
    ]);
  });

  test('a list that expires between pages tells nobody’s end and is begun again; the third is asked for whole', async () => {
    const { asked, told } = await play({
      lists: [
        page([object('a', 1), object('b', 1)], 3),
        page([object('a', 1)], 7, 'next'),
        EXPIRED,
        page([object('a', 1)], 8, 'next'),
        EXPIRED,
        page([object('a', 1), object('b', 1)], 9),
      ],
      watches: [
        { events: [EXPIRED], then: 'end' },
        { events: [OPEN], then: 'stay' },
      ],
    });
    expect(asked.slice(2)).toEqual(['list', 'list next', 'list', 'list next', 'list whole', 'watch 9']);
    expect(told.filter((line) => line.startsWith('gone'))).toEqual([]);
  });

  test('a page that the server fails to give is asked for again, and not those before it', async () => {
    const { asked, told } = await play({
      lists: [
        page([object('a', 1)], 7, 'next'),
        refused('busy'),
        new Error('unreachable'),
        page([object('b', 2)], 7),
      ],
      watches: [{ events: [OPEN], then: 'stay' }],
    });
    expect(asked).toEqual(['list', 'list next', 'list next', 'list next', 'watch 7']);
    expect(told).toEqual(['put n/a@1', 'lost', 'put n/b@2', 'following']);
  });

  test('what cannot be asked is asked again, later and later, and as late as the server wishes', async () => {
    const { asked, told, pauses } = await play({
      lists: [
        new Error('refused'),
        new Error('refused'),
        refused('forbidden'),
        refused('busy', 5_000),
        page([], 7),
      ],
      watches: [{ events: [OPEN], then: 'stay' }],
    });
    expect(asked).toEqual(['list', 'list', 'list', 'list', 'list', 'watch 7']);
    expect(pauses).toEqual([150, 300, 600, 5_000]);
    expect(told).toEqual(['lost', 'following']);
  });

  test('a watch that is refused is asked for again from the same version', async () => {
    const { asked, told } = await play({
      lists: [page([object('a', 1)], 7)],
      watches: [
        { events: [refused('forbidden')], then: 'end' },
        { events: [refused('forbidden')], then: 'end' },
        { events: [OPEN, put('a', 8)], then: 'stay' },
      ],
    });
    expect(asked).toEqual(['list', 'watch 7', 'watch 7', 'watch 7']);
    expect(told).toEqual(['put n/a@1', 'following', 'lost', 'following', 'put n/a@8']);
  });

  test('one silence is taken for a dead connection, two in a row for a server that lost its past', async () => {
    const { asked } = await play({
      lists: [page([], 7), page([], 3)],
      watches: [
        { events: [OPEN, SILENT], then: 'end' },
        { events: [OPEN, { is: 'bookmark', resourceVersion: '8' }, SILENT], then: 'end' },
        { events: [OPEN, SILENT], then: 'end' },
        { events: [OPEN], then: 'stay' },
      ],
    });
    expect(asked).toEqual(['list', 'watch 7', 'watch 7', 'watch 8', 'list', 'watch 3']);
  });

  test('a server whose lists are always too old is not asked in a hot loop', async () => {
    const { pauses } = await play({
      lists: [page([], 1), page([], 2), page([], 3), page([], 4)],
      watches: [EXPIRED, EXPIRED, EXPIRED].map((event) => ({ events: [event], then: 'end' as const })),
    });
    expect(pauses).toEqual([150, 300]);
  });

  test('nor one that ends every watch at once', async () => {
    const { pauses } = await play({
      lists: [page([], 1)],
      watches: Array.from({ length: 8 }, () => ({ events: [], then: 'end' as const })),
    });
    expect(pauses).toEqual([150, 300, 600, 1_200, 2_400, 4_800, 7_500, 7_500]);
  });
});
