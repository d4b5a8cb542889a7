import type { Readable } from 'node:stream';
import type { StreamLine } from './api-server.ts';

/**
 * The lines of a stream as they come. When nothing at all comes for `idleMs` the stream is ended and its last
 * word is `silent`: TCP alone does not tell that a connection leads nowhere. A line cut off by the end is dropped.
 */
export async function* linesOf(stream: Readable, idleMs: number): AsyncGenerator<StreamLine> {
  const silence = new AbortController();
  const timer = setTimeout(() => {
    silence.abort();
    stream.destroy();
  }, idleMs);
  stream.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of stream) {
      timer.refresh();
      const lines = `${rest}${String(chunk)}`.split('\n');
      rest = lines.pop() ?? '';
      yield* lines.filter((line) => line !== '').map((line) => ({ is: 'line', text: line }) as const);
    }
  } catch (error) {
    if (!silence.signal.aborted) throw error;
    yield { is: 'silent' };
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}
