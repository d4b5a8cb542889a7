import { cpus } from 'node:os';

/** One line of a benchmark's answer: what was measured, and what was aimed for. */
export type Figure = {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly aim: string;
  readonly met: boolean;
};

export type BenchResult = { readonly name: string; readonly aims: readonly Figure[] };

export function medianOf(values: readonly number[]): number {
  return quantileOf(values, 0.5);
}

/** The value below which the share `q` of them lies (nearest rank). */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

/** `median (min-max) unit`, as the reader wants a sample. */
export function spreadOf(values: readonly number[], unit: string): string {
  const round = (value: number): number => Math.round(value * 10) / 10;
  return `${round(medianOf(values))} (${round(Math.min(...values))}-${round(Math.max(...values))}) ${unit}`;
}

/** What the figures were measured on. */
export function machineText(): string {
  const all = cpus();
  return `${all[0]?.model.trim() ?? 'unknown CPU'} x${all.length}, Node ${process.versions.node}`;
}

/** One figure, rounded to hundredths; without an aim it is only printed. */
export function figureOf(
  figure: string,
  value: number,
  unit: string,
  { aim, met }: Pick<Figure, 'aim' | 'met'> = { aim: 'none: printed for comparison', met: true },
): Figure {
  return { figure, value: Math.round(value * 100) / 100, unit, aim, met };
}
