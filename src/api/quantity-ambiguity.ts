import type { QuantityKind } from './quantity-kind.ts';

const SPELLING = /^([KkMmGgTtPpEe])[Ii]?([Bb])(\/s|[Pp][Ss])?$/;
const PREFIX_NAMES: Readonly<Record<string, string>> = {
  K: 'kilo',
  M: 'mega',
  G: 'giga',
  T: 'tera',
  P: 'peta',
  E: 'exa',
};

/**
 * Why a unit is refused that can be read in two ways, naming both and how to write each; undefined
 * when the unit is merely unknown. `125MBps` is megabits to one reader and megabytes to the next.
 */
export function ambiguityIn(kind: QuantityKind, amount: string, unit: string): string | undefined {
  const [, prefix, letter, perSecond] = SPELLING.exec(unit) ?? [];
  if (prefix === undefined) return undefined;
  const inBytes = `${amount}${prefix.toUpperCase()}B${kind === 'size' ? '' : '/s'}`;
  const readings = readingsOf(amount, prefix, unit);
  if (kind === 'bandwidth') {
    const inBits = `${amount}${prefix.toUpperCase()}bps`;
    return `${readings} per second: write ${inBits} for bits or ${inBytes} for bytes`;
  }
  if (kind === 'size' && perSecond !== undefined) {
    return `"${amount}${unit}" is a rate, and a size is wanted: write ${inBytes} if that was meant`;
  }
  if (letter === 'b' && perSecond?.toLowerCase() === 'ps') {
    return `"${amount}${unit}" is in bits, and the rate of a disk is in bytes: write ${inBytes} if that was meant`;
  }
  return `${readings}: write ${inBytes} for bytes; bits cannot be given here`;
}

function readingsOf(amount: string, prefix: string, unit: string): string {
  const power = PREFIX_NAMES[prefix.toUpperCase()] ?? '';
  return `"${amount}${unit}" can be read as ${amount} ${power}bits or as ${amount} ${power}bytes`;
}
