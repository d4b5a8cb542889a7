import { printable } from './printable.ts';

const GAP = '   ';

/**
 * Rows in columns as kubectl prints them: three spaces between, no borders, nothing after the last word
 * of a line. `widths` keeps later rows in line with earlier ones (`--watch`). Cells are made safe for a
 * terminal here, because some of their words come from guests.
 */
export function tableText(rows: readonly (readonly string[])[], widths: readonly number[] = []): string {
  const cells = rows.map((row) => row.map(printable));
  const wide = widthsOf(cells, widths);
  return cells.map((row) => `${lineText(row, wide)}\n`).join('');
}

/** The width of every column, at least as wide as before. */
export function widthsOf(
  rows: readonly (readonly string[])[],
  before: readonly number[] = [],
): readonly number[] {
  return rows.reduce<readonly number[]>(
    (widths, row) => row.map((cell, column) => Math.max(widths[column] ?? 0, cell.length)),
    before,
  );
}

function lineText(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join(GAP)
    .trimEnd();
}
