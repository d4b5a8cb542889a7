import { constants, sensitiveHeaders } from 'node:http2';
import type {
  ClientHttp2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import type { Visit } from './guest.ts';
import { policyOf, tellFailure } from './guest.ts';
import { writtenHost } from './host-name.ts';
import { checkMethod, tellForwarded, tellLeaks } from './verdicts.ts';
import { answered } from './http1-response.ts';
import { answerStream } from './answer.ts';
import { isIntercepted } from './matching.ts';
import type { Echo, Field, Outgoing } from './outgoing.ts';
import { isStillGranted, outgoingFields, pairsOf, scrubbed } from './outgoing.ts';
import { pump } from './pump.ts';
import { refusal } from './refusal.ts';
import type { Target } from './request-target.ts';

export type StreamExchange = {
  readonly visit: Visit;
  readonly stream: ServerHttp2Stream;
  /** Names and values in turn, as received. */
  readonly raw: readonly string[];
  readonly method: string;
  readonly target: Target;
};

/** Forwards one HTTP/2 stream to an upstream that speaks HTTP/2 as well. Never throws. */
export async function exchangeStream(it: StreamExchange): Promise<void> {
  const { visit, stream, target } = it;
  try {
    const lane = await visit.guest.http2.lane(target.host);
    if (stream.destroyed) return;
    const outgoing = decided(it);
    const upstream = lane.request(headersOf(it, outgoing), {
      endStream: stream.endAfterHeaders,
      waitForTrailers: true,
    });
    holdStream(it, upstream, outgoing);
    passRequest(it, upstream);
    passAnswer(it, upstream, outgoing);
  } catch (error) {
    tellFailure(visit, target.host.name, error);
    answerStream(stream, error);
  }
}

/** From here to the request on the wire nothing waits: the policy that is looked up is the one that is used. */
function decided({ visit, raw, method, target }: StreamExchange): Outgoing {
  const policy = policyOf(visit.guest);
  checkMethod(method, isIntercepted(policy, target.host.name));
  const sent = pairsOf(raw).filter(([name]) => !name.startsWith(':'));
  const outgoing = outgoingFields(sent, { policy, host: target.host, path: target.path, isTls: true });
  tellLeaks(visit, target, outgoing);
  return outgoing;
}

function headersOf({ method, target, raw }: StreamExchange, { fields, used }: Outgoing): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ':method': method,
    ':scheme': 'https',
    ':authority': writtenHost(target.host),
    ':path': target.path,
    ...headersFrom(fields),
    // Never in the compression table of the upstream, where other requests could probe for it.
    [sensitiveHeaders]: used.map((grant) => grant.header),
  };
  for (const [name, value] of pairsOf(raw)) {
    // The only value of `te` that HTTP/2 knows, and gRPC insists on it (RFC 9113 section 8.2.2).
    if (name === 'te' && value === 'trailers') headers.te = 'trailers';
    if (name === 'content-length') headers['content-length'] = value;
  }
  return headers;
}

function headersFrom(fields: readonly Field[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    const known = headers[lower];
    headers[lower] = known === undefined ? value : [known, value].flat();
  }
  return headers;
}

function holdStream(
  { visit, stream, target }: StreamExchange,
  upstream: ClientHttp2Stream,
  { used }: Outgoing,
): void {
  const release = visit.guest.work.hold({
    isAllowed: (policy) => isStillGranted(policy, used, target.host.name),
    close: () => {
      upstream.close(constants.NGHTTP2_CANCEL);
      stream.close(constants.NGHTTP2_CANCEL);
    },
  });
  stream.once('close', () => {
    release();
    if (!upstream.closed) upstream.close(stream.rstCode === 0 ? constants.NGHTTP2_CANCEL : stream.rstCode);
  });
  upstream.setTimeout(visit.guest.parts.limits.idleMs, () => {
    upstream.close(constants.NGHTTP2_CANCEL);
  });
}

function passRequest({ visit, stream }: StreamExchange, upstream: ClientHttp2Stream): void {
  let trailers: OutgoingHttpHeaders = {};
  upstream.once('wantTrailers', () => {
    upstream.sendTrailers(trailers);
  });
  if (stream.endAfterHeaders) return;
  stream.once('trailers', (received: IncomingHttpHeaders) => {
    trailers = plain(received);
  });
  pump(stream, upstream, {
    stallMs: visit.guest.parts.limits.idleMs,
    onStall: () => {
      stream.close(constants.NGHTTP2_CANCEL);
    },
    onEnd: () => upstream.end(),
  });
}

function passAnswer(it: StreamExchange, upstream: ClientHttp2Stream, outgoing: Outgoing): void {
  const { visit, stream, target } = it;
  const { echoes } = outgoing;
  let trailers: OutgoingHttpHeaders = {};
  stream.once('wantTrailers', () => {
    stream.sendTrailers(trailers);
  });
  upstream.on('headers', (interim: IncomingHttpHeaders) => {
    if (!stream.headersSent && !stream.destroyed) stream.additionalHeaders(answerHeaders(interim, echoes));
  });
  upstream.once('response', (received: IncomingHttpHeaders, flags: number) => {
    if (stream.destroyed) return;
    tellForwarded(visit, target, outgoing);
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(
      answerHeaders(received, echoes),
      isWhole ? { endStream: true } : { waitForTrailers: true },
    );
  });
  upstream.once('trailers', (received: IncomingHttpHeaders) => {
    trailers = answerHeaders(received, echoes);
  });
  upstream.on('error', () => {
    // `close` follows and tells the code.
  });
  upstream.once('close', () => {
    failUnlessAnswered(it, upstream, outgoing);
  });
  pump(upstream, stream, {
    onEnd: () => {
      // A stream that ends before it was answered has failed, and is told when it closes.
      if (stream.headersSent) stream.end();
    },
  });
}

function failUnlessAnswered(
  { visit, stream, target }: StreamExchange,
  upstream: ClientHttp2Stream,
  { used }: Outgoing,
) {
  if (stream.destroyed || stream.closed) return;
  if (stream.headersSent) {
    if (upstream.rstCode !== 0) stream.close(upstream.rstCode);
    return;
  }
  const failure = refusal('UpstreamFailed', 'the destination ended the stream without an answer');
  const credentials = used.map((grant) => grant.credential);
  tellFailure(visit, target.host.name, failure, credentials);
  // A refused stream was not worked on (RFC 9113 section 8.7): the client may send it again, so it is told.
  if (upstream.rstCode === constants.NGHTTP2_REFUSED_STREAM) stream.close(upstream.rstCode);
  else answerStream(stream, failure);
}

function answerHeaders(received: IncomingHttpHeaders, echoes: readonly Echo[]): OutgoingHttpHeaders {
  const status = received[':status'];
  const length = received['content-length'];
  return {
    ...(status === undefined ? {} : { ':status': Number(status) }),
    ...headersFrom(scrubbed(answered(fieldsFrom(received)), echoes)),
    ...(length === undefined ? {} : { 'content-length': length }),
  };
}

function plain(received: IncomingHttpHeaders): OutgoingHttpHeaders {
  return headersFrom(fieldsFrom(received));
}

function fieldsFrom(headers: IncomingHttpHeaders): Field[] {
  return Object.entries(headers)
    .filter(([name]) => !name.startsWith(':'))
    .flatMap(([name, value]) => [value ?? []].flat().map((one): Field => [name, one]));
}
