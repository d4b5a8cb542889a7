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
  const [, prefix, letter, perSecond = ''] = SPELLING.exec(unit) ?? [];
  if (prefix === undefined) return undefined;
  const upper = prefix.toUpperCase();
  const readings = `"${amount}${unit}" can be read as ${amount} ${PREFIX_NAMES[upper] ?? ''}bits or as ${amount} ${PREFIX_NAMES[upper] ?? ''}bytes`;
  const inBits = `${amount}${upper}bps`;
  const inBytes = `${amount}${upper}B${kind === 'size' ? '' : '/s'}`;
  if (kind === 'bandwidth') return `${readings} per second: write ${inBits} for bits or ${inBytes} for bytes`;
  const isRateForSize = kind === 'size' && perSecond !== '';
  const isBitRateForDisk = kind === 'diskRate' && letter === 'b' && perSecond.toLowerCase() === 'ps';
  if (isRateForSize || isBitRateForDisk) {
    const wanted = isRateForSize
      ? 'a rate, and a size is wanted'
      : 'in bits, and the rate of a disk is in bytes';
    return `"${amount}${unit}" is ${wanted}: write ${inBytes} if that was meant`;
  }
  return `${readings}: write ${inBytes} for bytes; bits cannot be given here`;
}
