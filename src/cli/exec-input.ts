import type { Writable } from 'node:stream';
import { drained } from '../serve/drained.ts';
import { encodeBytes, encodeFrame } from '../serve/exec-frames.ts';
import type { Input } from './context.ts';

/**
 * Sends an input as frames to its end, no faster than they are taken, until `over`. Listens to events:
 * an async iterator would keep a terminal or pipe open for reading, and with it this process, after the
 * program has ended.
 */
export function sendInput(stdin: Input, connection: Writable, over: AbortSignal): void {
  const send = (chunk: Uint8Array): void => {
    const frames = [...encodeBytes('stdin', Buffer.from(chunk))];
    if (frames.map((frame) => connection.write(frame)).every(Boolean)) return;
    stdin.pause();
    void drained(connection, over).then(() => {
      if (!over.aborted) stdin.resume();
    });
  };
  // An input that breaks is an input that ended.
  const end = (): void => {
    if (!over.aborted) sendEnd(connection);
  };
  stdin.on('data', send);
  for (const event of ENDS) stdin.once(event, end);
  over.addEventListener('abort', () => {
    stdin.off('data', send);
    for (const event of ENDS) stdin.off(event, end);
    stdin.pause();
  });
}

const ENDS = ['end', 'error'] as const;

export function sendEnd(connection: Writable): void {
  connection.write(encodeFrame({ is: 'stdin-end' }));
}
