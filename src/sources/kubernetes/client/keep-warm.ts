import type { Wire } from './exec-wire.ts';

/** Load balancers forget a connection that is silent for a minute or more. */
const PING_MS = 20_000;
const MISSED = 3;

/**
 * Pings while the wire is open, and gives it up when a server that used to answer has missed three: TCP does not
 * tell of a half-open link. Returns how to stop.
 */
export function keepWarm(wire: Wire, pingMs = PING_MS): () => void {
  let unanswered: number | undefined;
  wire.on('pong', () => {
    unanswered = 0;
  });
  const timer = setInterval(() => {
    if (unanswered !== undefined && unanswered >= MISSED) {
      wire.terminate();
      return;
    }
    if (unanswered !== undefined) unanswered += 1;
    wire.ping();
  }, pingMs);
  return () => {
    clearInterval(timer);
  };
}
