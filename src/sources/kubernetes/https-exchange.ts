import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { RequestOptions } from 'node:https';

export type Exchanged =
  | { readonly is: 'answered'; readonly response: IncomingMessage }
  /** `wasKept`: over a connection from before, which the server may have closed in the same moment. */
  | { readonly is: 'broken'; readonly cause: unknown; readonly wasKept: boolean };

// A peer that vanished without a word is noticed after this and Linux' ten probes of a second each (libuv).
const KEEP_ALIVE_MS = 10_000;

/** Sends a request; answered as soon as the head of the answer is there. Never throws. */
export function exchange(url: URL, options: RequestOptions, body: unknown): Promise<Exchanged> {
  return new Promise((resolve) => {
    const request = httpsRequest(url, options, (response) => {
      resolve({ is: 'answered', response });
    });
    request.on('socket', (socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      socket.setNoDelay(true);
    });
    request.on('error', (error) => {
      const { signal } = options;
      const isAborted = signal?.aborted === true;
      const cause: unknown = isAborted ? signal.reason : error;
      resolve({ is: 'broken', cause, wasKept: !isAborted && request.reusedSocket });
    });
    const text = body === undefined ? '' : JSON.stringify(body);
    // Node leaves it out of a DELETE, and a server then takes the body for the next request.
    if (body !== undefined) request.setHeader('content-length', Buffer.byteLength(text));
    request.end(text);
  });
}

/** A deadline that can be lifted once an answer has begun: a stream lives longer than its first line takes. */
export function deadlineOf(ms: number): { readonly signal: AbortSignal; lift(): void } {
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort(new Error(`no answer within ${ms / 1000} s`));
  }, ms);
  return {
    signal: abort.signal,
    lift: () => {
      clearTimeout(timer);
    },
  };
}
