/** The pause after the nth failure in a row, from 1: 250 ms doubling to 5 min, each shortened by up to a quarter. */
export function retryDelayMs(failures: number, random: () => number): number {
  const full = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (1 - SPREAD * random()));
}

const BASE_MS = 250;
const CAP_MS = 300_000;
const SPREAD = 0.25;
