import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Echo, Field } from './outgoing.ts';
import { endToEnd, pairsOf, scrubbed } from './outgoing.ts';
import { pump } from './pump.ts';

/** One TLS record (RFC 8446 section 5.1), with room for the head. */
const SHORT = 8192;

/**
 * Sends an upstream's answer on to the guest as it comes, with our values taken out of its fields. A body
 * that breaks off breaks off for the guest as well: it must not look complete.
 */
export function relayResponse(
  from: IncomingMessage,
  to: ServerResponse,
  how: { readonly echoes: readonly Echo[]; readonly isLast: boolean },
): void {
  to.sendDate = false;
  to.writeHead(from.statusCode ?? 502, from.statusMessage ?? '', responseFields(from, to, how).flat());
  // A stream of events has a head long before it has a body; a small answer goes out as one write.
  setImmediate(() => {
    if (!to.writableEnded && to.writableLength === 0) to.flushHeaders();
  });
  from.on('error', () => to.destroy());
  from.once('close', () => {
    if (!from.complete) to.destroy();
  });
  const length = Number(from.headers['content-length']);
  pump(from, to, {
    write: (chunk) => (chunk.length === length && length <= SHORT ? endWith(to, chunk) : to.write(chunk)),
    onEnd: () => {
      const trailers = scrubbed(pairsOf(from.rawTrailers), how.echoes);
      if (trailers.length > 0) to.addTrailers(trailers);
      to.end();
    },
  });
}

/** Head and body in one write and one TLS record: Node joins them when the body is text, of any bytes in latin1. */
function endWith(to: ServerResponse, body: Buffer): boolean {
  to.end(body.toString('latin1'), 'latin1');
  return true;
}

function responseFields(
  from: IncomingMessage,
  to: ServerResponse,
  { echoes, isLast }: { readonly echoes: readonly Echo[]; readonly isLast: boolean },
): readonly Field[] {
  const raw = pairsOf(from.rawHeaders);
  const fields = answered(raw);
  const length = from.headers['content-length'];
  if (length !== undefined) fields.push(['Content-Length', length]);
  const trailer = from.headers.trailer;
  // Announced trailers need a chunked body, which HTTP/1.0 and an answer without a body do not have.
  const isChunked = from.headers['transfer-encoding'] !== undefined && to.req.httpVersion === '1.1';
  if (trailer !== undefined && isChunked && to.req.method !== 'HEAD') fields.push(['Trailer', trailer]);
  if (isLast) fields.push(['Connection', 'close']);
  return scrubbed(fields, echoes);
}

/** Without `Alt-Svc`, which would send the client to QUIC, where it only meets a closed port. */
export function answered(fields: readonly Field[]): Field[] {
  return endToEnd(fields).filter(([name]) => name.toLowerCase() !== 'alt-svc');
}
