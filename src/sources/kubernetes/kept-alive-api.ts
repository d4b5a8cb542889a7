import type { IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import type { RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import { isMapping } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import { HypemanError, messageOf } from '../../errors.ts';
import type { Answer, ApiRequest, ApiServer, Stream } from './api-server.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { deadlineOf, exchange } from './https-exchange.ts';
import type { Exchanged } from './https-exchange.ts';
import { linesOf } from './lines.ts';
import { pause } from './pause.ts';

export type ApiSettings = {
  /** For each answer, or 0 where there was none. */
  readonly onAnswer?: (method: string, status: number) => void;
  readonly answerMs?: number;
};

// kube-apiserver ends requests after 60 s itself (--request-timeout); ours are small, but for lists.
const ANSWER_MS = 15_000;
const TRIES = 4;
const MAX_WAIT_MS = 10_000;
const DEFAULT_WAIT_MS = 1_000;

type Attempt = Answer | Extract<Exchanged, { is: 'broken' }>;

/**
 * Speaks to an API server over connections that are kept: the client library's own transport makes a new
 * TCP and TLS connection for each request, which is three to eight times slower.
 */
export class KeptAliveApi implements ApiServer {
  readonly #access: ClusterAccess;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 32 });
  readonly #onAnswer: (method: string, status: number) => void;
  readonly #answerMs: number;

  constructor(access: ClusterAccess, { onAnswer, answerMs }: ApiSettings = {}) {
    this.#access = access;
    this.#onAnswer = onAnswer ?? (() => undefined);
    this.#answerMs = answerMs ?? ANSWER_MS;
  }

  async ask(request: ApiRequest): Promise<Answer> {
    let isFresh = false;
    for (let left = TRIES; ; left -= 1) {
      const attempt = await this.#attempt(request, isFresh);
      if ('is' in attempt) {
        if (isFresh || !attempt.wasKept) throw this.#unreachable(attempt.cause);
        isFresh = true;
        continue;
      }
      const waitMs = left > 1 ? waitBefore(attempt) : undefined;
      if (waitMs === undefined) return attempt;
      if (attempt.status === 401) this.#access.distrust();
      await pause(waitMs, request.signal);
    }
  }

  async stream(
    path: string,
    { idleMs, signal }: { readonly idleMs: number; readonly signal: AbortSignal },
  ): Promise<Stream> {
    const deadline = deadlineOf(this.#answerMs);
    try {
      const sent = await this.#send({ method: 'GET', path, signal }, deadline.signal, true);
      this.#onAnswer('WATCH', sent.is === 'answered' ? (sent.response.statusCode ?? 0) : 0);
      if (sent.is === 'broken') throw this.#unreachable(sent.cause);
      const { response } = sent;
      if (response.statusCode === 200) return { is: 'open', lines: linesOf(response, idleMs) };
      if (response.statusCode === 401) this.#access.distrust();
      return { is: 'refused', answer: await answerFrom(response) };
    } finally {
      deadline.lift();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #attempt(request: ApiRequest, isFresh: boolean): Promise<Attempt> {
    const deadline = deadlineOf(this.#answerMs * (request.patience ?? 1));
    try {
      const sent = await this.#send(request, deadline.signal, isFresh);
      const attempt = sent.is === 'answered' ? await answerFrom(sent.response) : sent;
      this.#onAnswer(request.method, 'is' in attempt ? 0 : attempt.status);
      return attempt;
    } catch (cause) {
      this.#onAnswer(request.method, 0);
      return { is: 'broken', cause, wasKept: false };
    } finally {
      deadline.lift();
    }
  }

  async #send(request: ApiRequest, deadline: AbortSignal, isFresh: boolean): Promise<Exchanged> {
    const credentials = await this.#access.credentials();
    const { method, path, signal, body } = request;
    const options: RequestOptions = {
      agent: this.#agent,
      ...credentials,
      ...(isFresh && credentials.agent === undefined ? { agent: false } : {}),
      method,
      headers: Object.assign(headersOf(request), credentials.headers),
      signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
    };
    return exchange(new URL(path, this.#access.server), options, body);
  }

  #unreachable(cause: unknown): HypemanError {
    const message = `the API server ${this.#access.server.host} does not answer: ${messageOf(cause)}`;
    return new HypemanError('transient', 'ApiServerUnreachable', message, { cause });
  }
}

function headersOf({ body, patch }: ApiRequest): Record<string, string> {
  const common = { accept: 'application/json', 'user-agent': 'hypeman-controller' };
  return body === undefined ? common : { ...common, 'content-type': patch ?? 'application/json' };
}

async function answerFrom(response: IncomingMessage): Promise<Answer> {
  const body = await text(response);
  const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
  return {
    status: response.statusCode ?? 0,
    body: mappingIn(body),
    ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

function mappingIn(body: string): Mapping {
  try {
    const value: unknown = JSON.parse(body);
    return isMapping(value) ? value : {};
  } catch {
    return { message: body.slice(0, 200) };
  }
}

/** How long to wait before the same question makes sense; undefined: the answer stands. */
function waitBefore({ status, retryAfterMs }: Answer): number | undefined {
  if (status === 401) return 0;
  const isLater = status === 429 || status === 503 || (status >= 500 && retryAfterMs !== undefined);
  return isLater ? Math.min(retryAfterMs ?? DEFAULT_WAIT_MS, MAX_WAIT_MS) : undefined;
}
