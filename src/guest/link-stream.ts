import { HypemanError } from '../errors.ts';
import { printable } from './guest-words.ts';

/** What a frame did to its stream. `lie`: it has no place here, and the link ends. */
export type Heard = 'open' | 'over' | 'lie';

/** The host's end of one stream. */
export type LinkStream = {
  receive(type: number, payload: Buffer): Heard;
  /** The connection is gone. */
  abandon(error: HypemanError): void;
};

/** The error of a FAILED frame; the guest's text is quoted, not trusted. */
export function guestFault(reason: string, what: string, payload: Buffer): HypemanError {
  const why = printable(payload.subarray(4));
  return new HypemanError('transient', reason, why === '' ? what : `${what}: ${why}`);
}
