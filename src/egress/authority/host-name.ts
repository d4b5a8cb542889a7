import { isIP } from 'node:net';
import { HypemanError } from '../../errors.ts';

/** What one leaf names: exactly one DNS name or one address. */
export type HostName =
  | { readonly is: 'dns'; readonly name: string }
  | { readonly is: 'address'; readonly name: string; readonly bytes: Buffer };

/** RFC 1035 section 2.3.4, without the root's dot. */
const LONGEST_NAME = 253;
/** An underscore is no host name, but names with one are served on the web. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * Reads the host a leaf is asked for: lower case, without the root's dot. Throws `BadHost` for a
 * wildcard, a zone, a name that is not LDH ASCII, and anything else that a certificate must not name.
 */
export function parseHostName(text: string): HostName {
  const name = text.toLowerCase().replace(/\.$/, '');
  const family = name.includes('%') ? 0 : isIP(name);
  if (family === 4) return { is: 'address', name, bytes: Buffer.from(name.split('.').map(Number)) };
  if (family === 6) return { is: 'address', name, bytes: bytesOfIpv6(name) };
  const isName = name.length <= LONGEST_NAME && name.split('.').every((label) => LABEL.test(label));
  if (!isName)
    throw new HypemanError('invalid', 'BadHost', 'a certificate can name one DNS name or one address');
  return { is: 'dns', name };
}

/** The sixteen bytes of an address that `isIP` accepted (RFC 4291 section 2.2). */
function bytesOfIpv6(address: string): Buffer {
  const [left = '', right] = address.split('::');
  const front = groupsOf(left);
  const back = groupsOf(right ?? '');
  const gap = right === undefined ? [] : new Array<number>(8 - front.length - back.length).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [at, group] of [...front, ...gap, ...back].entries()) bytes.writeUInt16BE(group, at * 2);
  return bytes;
}

/** Sixteen bits each; a dotted quad at the end is two of them. */
function groupsOf(text: string): readonly number[] {
  return text
    .split(':')
    .filter((part) => part !== '')
    .flatMap((part) => {
      if (!part.includes('.')) return [Number.parseInt(part, 16)];
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      return [a * 256 + b, c * 256 + d];
    });
}
