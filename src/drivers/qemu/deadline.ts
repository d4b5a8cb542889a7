import { HypemanError } from '../../errors.ts';

/** A QMP answer takes under a millisecond; on a host that swaps or boots thirty guests, more. */
export const ANSWER_WITHIN_MS = 500;

/**
 * The promise's value, or a transient `MachineUnreachable` after `ms`. The promise itself runs on:
 * a late answer is nobody's. When this process was busy for longer than the deadline, the answer may
 * lie in the socket already, so that one turn of the event loop is given to read it.
 */
export async function within<T>(promise: Promise<T>, ms: number, doing: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    setImmediate(() => {
      late.reject(
        new HypemanError('transient', 'MachineUnreachable', `no answer within ${ms} ms to ${doing}`),
      );
    });
  }, ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
    late.promise.catch(() => undefined);
  }
}
