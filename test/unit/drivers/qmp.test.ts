import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { duplexPair, PassThrough } from 'node:stream';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { within } from '../../../src/drivers/qemu/deadline.ts';
import { QmpConnection } from '../../../src/drivers/qemu/qmp.ts';

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}\r\n';

type Peer = {
  readonly connection: QmpConnection;
  readonly events: [string, unknown][];
  readonly closings: number[];
  /** As QEMU: sends raw text. */
  readonly say: (text: string) => void;
  /** The next command that was sent. */
  readonly hear: () => Promise<{ execute: string; id: number }>;
};

function meet(): Peer {
  const [ours, theirs] = duplexPair();
  const events: [string, unknown][] = [];
  const closings: number[] = [];
  const connection = new QmpConnection(ours, {
    event: (name, data) => events.push([name, data]),
    closed: () => closings.push(1),
  });
  const lines = linesOf(theirs);
  return {
    ...{ connection, events, closings },
    say: (text) => theirs.write(text),
    hear: async () => JSON.parse((await lines.next()).value ?? 'null') as { execute: string; id: number },
  };
}

async function* linesOf(stream: Duplex): AsyncGenerator<string, undefined> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
  return undefined;
}

async function greeted(): Promise<Peer> {
  const peer = meet();
  peer.say(GREETING);
  const { execute, id } = await peer.hear();
  expect(execute).toBe('qmp_capabilities');
  peer.say(`{"return": {}, "id": ${id}}\r\n`);
  await peer.connection.ready;
  return peer;
}

describe('a QMP connection', () => {
  test('negotiates before anything else is sent', async () => {
    await greeted();
  });

  test('gives every command its own answer, in whatever order they come', async () => {
    const { connection, say, hear } = await greeted();
    const answers = [connection.execute('query-status'), connection.execute('query-name')];
    const [first, second] = [await hear(), await hear()];
    say(`{"return": "b", "id": ${second.id}}\n{"return": "a", "id": ${first.id}}\n`);
    expect(await Promise.all(answers)).toEqual(['a', 'b']);
  });

  test('reads messages however they are cut', async () => {
    const { connection, events, say, hear } = await greeted();
    const answer = connection.execute('cont');
    const { id } = await hear();
    for (const character of `{"event": "RESUME", "data": {}}\r\n{"return": {}, "id": ${id}}\r\n`)
      say(character);
    await answer;
    expect(events).toEqual([['RESUME', {}]]);
  });

  test('turns a refusal into an error in QEMU’s words', async () => {
    const { connection, say, hear } = await greeted();
    const answer = connection.execute('cont');
    const { id } = await hear();
    say(`{"error": {"class": "GenericError", "desc": "Image is corrupt"}, "id": ${id}}\n`);
    await expect(answer).rejects.toMatchObject({ reason: 'QmpRefused' });
    await expect(answer).rejects.toThrow('corrupt');
  });

  test('ignores answers that nobody asked for', async () => {
    const { connection, say, hear } = await greeted();
    say('{"return": {}, "id": 99}\n{"return": {}, "id": "x"}\n{"error": {"desc": "?"}}\n\n{}\n');
    const answer = connection.execute('query-status');
    const { id } = await hear();
    say(`{"return": 1, "id": ${id}}\n`);
    expect(await answer).toBe(1);
  });

  test.each([
    ['a broken line', '{"return": \n'],
    ['a line that is no object', '[1]\n'],
    ['a line without end', 'x'.repeat(300 * 1024)],
    ['a line too long', `{"event": "${'x'.repeat(300 * 1024)}"}\n`],
  ])('ends on %s, and every command that waits fails', async (_what, text) => {
    const { connection, closings, say } = await greeted();
    const answer = connection.execute('query-status');
    say(text);
    await expect(answer).rejects.toMatchObject({ fate: 'transient', reason: 'QmpClosed' });
    await expect(connection.execute('query-status')).rejects.toMatchObject({ reason: 'QmpClosed' });
    expect(closings).toEqual([1]);
  });

  test('that ends before the greeting was never ready', async () => {
    const { connection, say } = meet();
    say('hello\n');
    await expect(connection.ready).rejects.toMatchObject({ reason: 'QmpClosed' });
  });

  test('tells once that it ended', async () => {
    const stream = new PassThrough();
    let count = 0;
    const connection = new QmpConnection(stream, {
      event: () => undefined,
      closed: () => {
        count += 1;
      },
    });
    connection.close();
    connection.close();
    await expect(connection.ready).rejects.toThrow();
    expect(count).toBe(1);
  });
});

describe('a deadline', () => {
  test('gives the value when it comes in time', async () => {
    expect(await within(Promise.resolve(7), 1000, 'count')).toBe(7);
  });

  test('fails with what was being done', async () => {
    const never = new Promise<never>(() => undefined);
    const late = within(never, 5, 'query-status');
    await expect(late).rejects.toMatchObject({ fate: 'transient', reason: 'MachineUnreachable' });
    await expect(late).rejects.toThrow('query-status');
  });

  test('is not missed for an answer that lies in the socket while this process is busy', async () => {
    const server = createServer((socket) => {
      socket.on('data', () => {
        socket.write('answer');
        const busyUntil = Date.now() + 60;
        while (Date.now() < busyUntil);
      });
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('question');
    const answer = once(socket, 'data').then(String);
    expect(await within(answer, 20, 'ask')).toBe('answer');
    socket.destroy();
    server.close();
  });
});
