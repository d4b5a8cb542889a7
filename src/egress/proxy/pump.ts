import type { Readable, Writable } from 'node:stream';

/**
 * Moves bytes at the pace of the slower side, and calls `onEnd` after the last one. `write` writes in place
 * of the sink's own. With `stallMs`, calls `onStall` when the source sends nothing for so long although the sink
 * would take it.
 */
export function pump(
  source: Readable,
  sink: Writable,
  then: {
    onEnd(): void;
    write?(chunk: Buffer): boolean;
    readonly stallMs?: number;
    onStall?(): void;
  },
): void {
  const stall = stallTimer(then);
  source.on('data', (chunk: Buffer) => {
    stall.moved();
    if (sink.writable && !(then.write?.(chunk) ?? sink.write(chunk))) {
      source.pause();
      stall.stop();
    }
  });
  sink.on('drain', () => {
    source.resume();
    stall.moved();
  });
  source.once('end', () => {
    stall.end();
    then.onEnd();
  });
  source.once('close', stall.end);
  stall.moved();
}

function stallTimer(then: { readonly stallMs?: number; onStall?(): void }) {
  const { stallMs } = then;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    stop,
    moved: (): void => {
      if (stallMs === undefined || isOver) return;
      if (timer === undefined) timer = setTimeout(() => then.onStall?.(), stallMs);
      else timer.refresh();
    },
    end: (): void => {
      isOver = true;
      stop();
    },
  };
}
