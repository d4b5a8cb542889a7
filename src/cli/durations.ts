import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `1m30s`, `2h`, or plain seconds, in milliseconds. Throws commander's own refusal. */
export function parseDuration(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text))
    throw new InvalidArgumentError('Write a duration as 30s, 5m or 1h30m.');
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  return Math.round(
    parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ''] ?? 0), 0),
  );
}

/** A whole number of at least `least`. Throws commander's own refusal. */
export function parseWhole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least)
      throw new InvalidArgumentError(`Give a whole number from ${least} up.`);
    return value;
  };
}

type Unit = { readonly ms: number; readonly letter: string };
const SECOND: Unit = { ms: 1000, letter: 's' };
const MINUTE: Unit = { ms: 60_000, letter: 'm' };
const HOUR: Unit = { ms: 3_600_000, letter: 'h' };
const DAY: Unit = { ms: 86_400_000, letter: 'd' };
const YEAR: Unit = { ms: 365 * DAY.ms, letter: 'y' };

/** Up to this long, an age is told in these units. */
const SCALES: readonly (readonly [under: number, first: Unit, second?: Unit])[] = [
  [2 * MINUTE.ms, SECOND],
  [10 * MINUTE.ms, MINUTE, SECOND],
  [3 * HOUR.ms, MINUTE],
  [8 * HOUR.ms, HOUR, MINUTE],
  [2 * DAY.ms, HOUR],
  [8 * DAY.ms, DAY, HOUR],
  [2 * YEAR.ms, DAY],
];

/** `12s`, `3m20s`, `5h`, `9d`: as coarse as kubectl is (k8s.io/apimachinery, util/duration). */
export function ageText(ms: number): string {
  const [, first, second] = SCALES.find(([under]) => ms < under) ?? [0, YEAR, DAY];
  const whole = Math.max(0, Math.floor(ms / first.ms));
  const rest = second === undefined ? 0 : Math.floor((ms - whole * first.ms) / second.ms);
  return `${whole}${first.letter}${rest > 0 && second !== undefined ? `${rest}${second.letter}` : ''}`;
}
