import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { answerFailure } from './answer.ts';
import type { Visit } from './guest.ts';
import { policyOf, tellFailure } from './guest.ts';
import { writtenHost } from './host-name.ts';
import type { Origin } from './http1-pool.ts';
import { relayResponse } from './http1-response.ts';
import { isIntercepted } from './matching.ts';
import type { Field, Outgoing } from './outgoing.ts';
import { isStillGranted, outgoingFields, pairsOf } from './outgoing.ts';
import { pump } from './pump.ts';
import { failureOf, refusal } from './refusal.ts';
import type { Target } from './request-target.ts';
import { checkMethod, tellForwarded, tellLeaks } from './verdicts.ts';

export type Exchange = {
  readonly visit: Visit;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
  readonly port: Origin['port'];
};

/** An upstream that answers 1xx without end never answers (facts/egress.md, row 53). */
const MOST_INTERIM = 16;
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Forwards one request and its answer. Never throws: what fails is told to the guest and the audit trail. */
export async function exchange(it: Exchange): Promise<void> {
  const { visit, request, response, target, port } = it;
  try {
    const ready = visit.guest.http1.ready({ host: target.host, port });
    if (ready !== undefined) await ready;
    if (!response.destroyed) forward(it, true);
  } catch (error) {
    tellFailure(visit, target.host.name, error);
    answerFailure(response, error);
    request.resume();
  }
}

/** From here to the request on the wire nothing waits: the policy that is looked up is the one that is used. */
function forward(it: Exchange, mayRepeat: boolean): void {
  const { visit, request, response, target, port } = it;
  const policy = policyOf(visit.guest);
  const isTls = port === 443;
  checkMethod(request.method ?? '', isTls && isIntercepted(policy, target.host.name));
  const outgoing = outgoingFields(pairsOf(request.rawHeaders), {
    policy,
    host: target.host,
    path: target.path,
    isTls,
  });
  tellLeaks(visit, target, outgoing);
  const upstream = visit.guest.http1.request(
    { host: target.host, port },
    {
      method: request.method ?? 'GET',
      path: target.path,
      fields: [...framing(request, writtenHost(target.host)), ...outgoing.fields].flat(),
    },
  );
  holdExchange(it, upstream, outgoing);
  upstream.on('timeout', () => upstream.destroy(refusal('UpstreamTimeout', 'the destination fell silent')));
  passInterim(upstream, response);
  awaitAnswer(upstream, {
    onAnswer: (from) => {
      answerFrom(it, from, outgoing);
    },
    onFailure: (error) => {
      if (mayRepeat && isStale(upstream, error) && isRepeatable(request)) void exchangeAgain(it);
      else failExchange(it, error, outgoing);
    },
  });
  sendBody(request, upstream, visit.guest.parts.limits.bodyMs);
}

function awaitAnswer(
  upstream: ClientRequest,
  then: { onAnswer(from: IncomingMessage): void; onFailure(error: Error): void },
): void {
  let isOver = false;
  const fail = (error: Error): void => {
    if (!isOver) then.onFailure(error);
    isOver = true;
  };
  upstream.on('error', fail);
  // Without an error: an upgrade that nobody asked for.
  upstream.once('close', () => {
    if (!isOver) fail(refusal('UpstreamInvalid', 'the destination closed the connection without an answer'));
  });
  upstream.once('response', (from) => {
    isOver = true;
    then.onAnswer(from);
  });
}

function holdExchange(
  { visit, response, target }: Exchange,
  upstream: ClientRequest,
  { used }: Outgoing,
): void {
  const release = visit.guest.work.hold({
    isAllowed: (policy) => isStillGranted(policy, used, target.host.name),
    close: () => {
      upstream.destroy();
      response.destroy();
    },
  });
  response.once('close', () => {
    release();
    // The guest has gone, or had its answer before it had sent all: neither leaves a connection to use again.
    if (!response.writableFinished || !response.req.complete) upstream.destroy();
  });
}

function answerFrom(it: Exchange, from: IncomingMessage, outgoing: Outgoing): void {
  const { visit, request, response, target } = it;
  tellForwarded(visit, target, outgoing);
  try {
    // An answer before the whole request: the guest may or may not send the rest, so nothing can follow it.
    relayResponse(from, response, { echoes: outgoing.echoes, isLast: !request.complete });
  } catch (error) {
    from.destroy();
    failExchange(
      it,
      refusal('UpstreamInvalid', 'the answer of the destination is not valid', error),
      outgoing,
    );
  }
}

function failExchange({ visit, response, target }: Exchange, error: unknown, { used }: Outgoing): void {
  if (response.destroyed || response.writableEnded) return;
  const credentials = used.map((grant) => grant.credential);
  tellFailure(visit, target.host.name, failureOf(error), credentials);
  answerFailure(response, error);
}

/** The pooled connection had been closed by the upstream while our request was on its way. */
async function exchangeAgain(it: Exchange): Promise<void> {
  try {
    await it.visit.guest.http1.ready({ host: it.target.host, port: it.port });
    if (!it.response.destroyed) forward(it, false);
  } catch (error) {
    tellFailure(it.visit, it.target.host.name, error);
    answerFailure(it.response, error);
  }
}

function isStale(upstream: ClientRequest, error: Error): boolean {
  return upstream.reusedSocket && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function isRepeatable(request: IncomingMessage): boolean {
  return REPEATABLE.has(request.method ?? '') && !hasBody(request);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Host and length in our own words: what was checked is what is sent. */
function framing(request: IncomingMessage, host: string): Field[] {
  const { headers, method } = request;
  const fields: Field[] = [['Host', host]];
  if (headers['transfer-encoding'] !== undefined) fields.push(['Transfer-Encoding', 'chunked']);
  else if (headers['content-length'] !== undefined)
    fields.push(['Content-Length', headers['content-length']]);
  else if (!['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'].includes(method ?? ''))
    fields.push(['Content-Length', '0']);
  if (headers.trailer !== undefined && headers['transfer-encoding'] !== undefined)
    fields.push(['Trailer', headers.trailer]);
  if (/(?:^|,)\s*trailers\b/i.test(String(headers.te ?? '')))
    fields.push(['TE', 'trailers'], ['Connection', 'TE']);
  return fields;
}

function passInterim(upstream: ClientRequest, response: ServerResponse): void {
  let count = 0;
  upstream.on('information', ({ statusCode, headers }) => {
    count += 1;
    if (count > MOST_INTERIM) upstream.destroy(refusal('UpstreamInvalid', 'the destination never answers'));
    else if (response.headersSent || response.destroyed || response.req.httpVersion === '1.0') return;
    else if (statusCode === 100) response.writeContinue();
    else if (statusCode === 102) response.writeProcessing();
    else if (statusCode === 103 && headers.link !== undefined)
      response.writeEarlyHints({ link: headers.link });
  });
}

function sendBody(request: IncomingMessage, upstream: ClientRequest, stallMs: number): void {
  if (!hasBody(request)) {
    upstream.end();
    request.resume();
    return;
  }
  upstream.flushHeaders();
  pump(request, upstream, {
    stallMs,
    onStall: () => upstream.destroy(refusal('BodyTimeout', 'the request body did not arrive')),
    onEnd: () => {
      const trailers = pairsOf(request.rawTrailers);
      if (trailers.length > 0) upstream.addTrailers(trailers);
      upstream.end();
    },
  });
}
