import { HypemanError } from '../errors.ts';

/** A network in CIDR notation: its first address as a number, and how many leading bits are fixed. */
export type Subnet = { readonly text: string; readonly first: number; readonly bits: number };

/** The four bytes of a dotted address as one number, or undefined for anything else. */
export function ipv4Number(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes.reduce((sum, byte) => sum * 256 + byte, 0) : undefined;
}

export function ipv4Text(number: number): string {
  return bytesOf(number).join('.');
}

/** `02:68` (locally administered, unicast) and the four bytes of the address: unique as long as that is. */
export function macFor(address: number): string {
  return ['02', '68', ...bytesOf(address).map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** Addresses that a pool may not hold: this-network, loopback, link-local, multicast, reserved (RFC 6890). */
const RESERVED = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].map((text) => cidrOf(text));

/**
 * The guests' network from a setting, `10.100.0.0/16`. Throws `InvalidSubnet`, which says what to write
 * instead. At most 30 bits: the network, the gateway, the broadcast address, and one guest.
 */
export function parseSubnet(text: string): Subnet {
  const subnet = cidrOf(text);
  if (subnet === undefined || !text.includes('/'))
    throw invalid(text, 'write an IPv4 network such as 10.100.0.0/16');
  if (subnet.bits < 8 || subnet.bits > 30) throw invalid(text, 'its prefix must be between /8 and /30');
  const address = ipv4Number(text.slice(0, text.indexOf('/')));
  if (address !== subnet.first)
    throw invalid(text, `write ${subnet.text}: the bits after the prefix must be 0`);
  if (RESERVED.some((reserved) => reserved !== undefined && overlaps(reserved, subnet)))
    throw invalid(text, 'that range cannot be routed to guests; take one of 10/8, 172.16/12 or 192.168/16');
  return subnet;
}

/** Any `a.b.c.d` or `a.b.c.d/n` as the network that it lies in; undefined for other text. */
export function cidrOf(text: string): Subnet | undefined {
  const [address = '', bitsText = '32', ...rest] = text.split('/');
  const number = ipv4Number(address);
  const bits = Number(bitsText);
  if (number === undefined || !/^\d{1,2}$/.test(bitsText) || bits > 32 || rest.length > 0) return undefined;
  const first = Math.floor(number / sizeOf(bits)) * sizeOf(bits);
  return { text: `${ipv4Text(first)}/${bits}`, first, bits };
}

export function lastOf({ first, bits }: Subnet): number {
  return first + sizeOf(bits) - 1;
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.first <= lastOf(other) && other.first <= lastOf(one);
}

/** The gateway of every guest: the first address after the network's own. */
export function gatewayOf(subnet: Subnet): number {
  return subnet.first + 1;
}

function sizeOf(bits: number): number {
  return 2 ** (32 - bits);
}

function bytesOf(number: number): readonly number[] {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256);
}

function invalid(text: string, advice: string): HypemanError {
  return new HypemanError('invalid', 'InvalidSubnet', `--subnet ${text} is not usable: ${advice}`);
}
