import { createHmac } from 'node:crypto';
import type { Secret } from './secret.ts';

/**
 * Tells whether a value changed without keeping it: HMAC-SHA-256 (RFC 2104) under the instance's own
 * random salt, so that equal values of two instances differ and a list of likely values proves nothing.
 */
export function digestOf(secret: Secret, salt: string): string {
  return createHmac('sha256', salt).update(secret.reveal()).digest('hex').slice(0, 32);
}
