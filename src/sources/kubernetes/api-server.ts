import type { Mapping } from '../../api/raw.ts';

export type PatchKind = 'application/json-patch+json' | 'application/merge-patch+json';

export type ApiRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  /** For PATCH. */
  readonly patch?: PatchKind;
  readonly signal?: AbortSignal;
  /** How many times longer than others its answer may take; default 1. */
  readonly patience?: number;
};

/** What the server said, a refusal too: what a 404 means, only the caller knows. */
export type Answer = {
  readonly status: number;
  readonly body: Mapping;
  /** How long the server wishes to be left alone. */
  readonly retryAfterMs?: number;
};

/** The lines of a stream, or why there is none. `silent`: nothing came for `idleMs`, and the stream was given up. */
export type Stream =
  | { readonly is: 'open'; readonly lines: AsyncIterable<StreamLine> }
  | { readonly is: 'refused'; readonly answer: Answer };
export type StreamLine = { readonly is: 'line'; readonly text: string } | { readonly is: 'silent' };

/** An API server as the rest of this room speaks to it. */
export type ApiServer = {
  /**
   * Asks once more where that is safe: on a kept connection that the server had closed, when it says "later"
   * (429, 503), with fresh credentials after a 401. Throws `transient` when there is no answer.
   */
  ask(request: ApiRequest): Promise<Answer>;
  /** Throws `transient` when no connection can be made or when it breaks. */
  stream(path: string, limits: { readonly idleMs: number; readonly signal: AbortSignal }): Promise<Stream>;
  close(): void;
};

export function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** The server's own sentence (metav1.Status), for people. */
export function sentenceOf({ status, body }: Answer): string {
  const { message } = body;
  return typeof message === 'string' && message !== '' ? message.slice(0, 500) : `HTTP status ${status}`;
}
