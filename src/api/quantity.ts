import { ambiguityIn } from './quantity-ambiguity.ts';
import { HOW_TO_WRITE, type QuantityKind } from './quantity-kind.ts';

export type Quantity =
  { readonly is: 'bytes'; readonly bytes: number } | { readonly is: 'wrong'; readonly message: string };

/** Prefixes by power; bytes take powers of 1024 whatever the spelling, bits powers of 1000. */
const PREFIXES = 'kmgtpe';

/** Any letter case, but for a capital prefix with a small b, which everybody else reads as bits. */
const BYTE_UNIT =
  /^(?:|[Bb]|[Bb]ytes?|[KMGTPEkmgtpe][Ii]?B?|[kmgtpe]i?b|(?:[Kk]ilo|[Mm]ega|[Gg]iga|[Tt]era|[Pp]eta|[Ee]xa)(?:[Bb]ytes?)?)$/;
const BIT_RATE = /^([KkMmGgTt]?)bps$/;
const QUANTITY = /^([0-9]{1,20})(?:(\.)([0-9]{1,9}))? ?([A-Za-z/]*)$/;
const TOO_LONG = 40;

/**
 * Reads a quantity as YAML gives it: text, or a plain integer of bytes. Suffixes are binary with and
 * without `i` (`1GB` = `1Gi` = 1024³), except for bit rates, which are decimal as on every network
 * card (`1Gbps` = 125,000,000 bytes per second). What two people could read differently is refused.
 */
export function parseQuantity(kind: QuantityKind, value: unknown): Quantity {
  if (typeof value === 'number') return fromNumber(kind, value);
  if (typeof value !== 'string' || value.length > TOO_LONG) return wrong(`must be ${HOW_TO_WRITE[kind]}`);
  const [, whole, point = '', fraction = '', unit = ''] = QUANTITY.exec(value) ?? [];
  if (whole === undefined) return wrong(`"${value}" must be ${HOW_TO_WRITE[kind]}`);
  const factor = factorOf(kind, unit);
  if (factor === undefined) return wrong(unitProblem(kind, whole + point + fraction, unit));
  return toBytes(
    value,
    BigInt(whole + fraction) * factor.times,
    10n ** BigInt(fraction.length) * factor.over,
  );
}

/**
 * The one canonical text of a number of bytes: the largest unit that needs no fraction (`2GB`,
 * `100MB/s`); a bandwidth that is round in bits only is printed in bits (`1Gbps`).
 */
export function quantityText(kind: QuantityKind, bytes: number): string {
  const inBytes = scaled(bytes, 1024, 'B', 5);
  if (kind === 'size') return inBytes;
  const inBits = scaled(bytes * 8, 1000, 'bps', 4);
  const bitsAreRounder =
    kind === 'bandwidth' && Number.isSafeInteger(bytes * 8) && digits(inBits) < digits(inBytes);
  return bitsAreRounder ? inBits : `${inBytes}/s`;
}

type Factor = { readonly times: bigint; readonly over: bigint };

function factorOf(kind: QuantityKind, unit: string): Factor | undefined {
  const bits = kind === 'bandwidth' ? BIT_RATE.exec(unit)?.[1] : undefined;
  if (bits !== undefined) return { times: 1000n ** powerOf(bits), over: 8n };
  const bytes = kind === 'size' ? unit : unit.replace(/\/s$/, '');
  // On a network `mb/s` is as often megabits; on a disk it never is.
  if (kind === 'bandwidth' && bytes.endsWith('b')) return undefined;
  return BYTE_UNIT.test(bytes) ? { times: 1024n ** powerOf(bytes), over: 1n } : undefined;
}

function powerOf(unit: string): bigint {
  const first = unit.charAt(0).toLowerCase();
  return first === '' ? 0n : BigInt(PREFIXES.indexOf(first) + 1);
}

function toBytes(text: string, dividend: bigint, divisor: bigint): Quantity {
  // Bits that do not fill a byte are dropped: a limit may be an eighth of a byte stricter.
  const isInBits = divisor % 8n === 0n && text.endsWith('bps');
  if (!isInBits && dividend % divisor !== 0n)
    return wrong(`"${text}" is not a whole number of bytes: write it in a smaller unit`);
  const bytes = dividend / divisor;
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) return wrong(`"${text}" is too large: the most is 8191TB`);
  return { is: 'bytes', bytes: Number(bytes) };
}

function unitProblem(kind: QuantityKind, amount: string, unit: string): string {
  const unknown = `the unit "${unit}" is not known here: write ${HOW_TO_WRITE[kind]}`;
  return ambiguityIn(kind, amount, unit) ?? unknown;
}

function fromNumber(kind: QuantityKind, value: number): Quantity {
  if (Number.isSafeInteger(value) && value >= 0) return { is: 'bytes', bytes: value };
  return wrong(`${value} must be a whole number of bytes, or ${HOW_TO_WRITE[kind]}`);
}

function scaled(amount: number, base: number, unit: string, highest: number): string {
  let power = 0;
  let rest = amount;
  while (power < highest && rest >= base && rest % base === 0) {
    rest /= base;
    power++;
  }
  return `${rest}${power === 0 ? '' : PREFIXES.charAt(power - 1).toUpperCase()}${unit}`;
}

function digits(text: string): number {
  return text.replace(/[^0-9]/g, '').length;
}

function wrong(message: string): Quantity {
  return { is: 'wrong', message };
}
