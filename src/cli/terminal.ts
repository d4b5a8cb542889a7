import type { Input, Output } from './context.ts';

export type TerminalSize = { readonly columns: number; readonly rows: number };

/** What a terminal without a size of its own (a pipe) is taken for: the VT100's. */
const FALLBACK: TerminalSize = { columns: 80, rows: 24 };

/** A terminal that does not know its size says 0. */
export function sizeOf({ columns = 0, rows = 0 }: Output): TerminalSize {
  return { columns: columns > 0 ? columns : FALLBACK.columns, rows: rows > 0 ? rows : FALLBACK.rows };
}

/**
 * Runs `work` with every key going through uninterpreted (termios(3), raw mode), and gives the terminal
 * back as it was, whatever happens in between.
 */
export async function inRawMode<T>(input: Input, work: () => Promise<T>): Promise<T> {
  input.setRawMode?.(true);
  try {
    return await work();
  } finally {
    input.setRawMode?.(false);
  }
}

/** Tells every new size of the terminal until the returned function is called. */
export function onResize(output: Output, tell: (size: TerminalSize) => void): () => void {
  const listener = (): void => {
    tell(sizeOf(output));
  };
  output.on('resize', listener);
  return () => {
    output.off('resize', listener);
  };
}
