import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';

/** Moves bytes both ways, end for end, until both are done, one breaks, or nothing moves for `idleMs`. */
export function joinSockets(near: Duplex, far: Duplex, idleMs: number): void {
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.destroy());
    one.once('close', () => {
      // What was already read still goes out; after an orderly end both sides close by themselves.
      if (one.readableEnded) other.end();
      else other.destroy();
    });
    if (one instanceof Socket) {
      one.setTimeout(idleMs, () => {
        one.destroy();
      });
    }
    one.pipe(other);
  }
}
