import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HypemanError, messageOf } from '../errors.ts';
import type { ExecRequest } from '../guest/guest-links.ts';
import { drained } from '../serve/drained.ts';
import { encodeFrame, framesOf } from '../serve/exec-frames.ts';
import type { ExecFrame } from '../serve/exec-frames.ts';
import type { Input, Output } from './context.ts';
import { EXIT } from './faults.ts';
import { sendEnd, sendInput } from './exec-input.ts';
import { onResize } from './terminal.ts';

export type ExecStreams = {
  /** Absent: the program gets an empty input. */
  readonly stdin?: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by Ctrl-C, which the program gets as its own interrupt. */
  readonly signal: AbortSignal;
};

const SIGINT = 2;
/** How long an interrupted program may take to end before its client leaves without it. */
const INTERRUPT_MS = 2000;

/**
 * Runs one program over an open exec connection and returns its exit code. Throws what the controller
 * or the guest refused, and `ConnectionLost` when the connection ends without an exit code.
 */
export async function runExec(
  connection: Duplex,
  request: ExecRequest,
  streams: ExecStreams,
): Promise<number> {
  const over = new AbortController();
  connection.on('error', () => undefined);
  connection.write(encodeFrame({ is: 'start', request }));
  const stopResizing = onResize(streams.stdout, (size) => {
    if (request.terminal !== undefined) connection.write(encodeFrame({ is: 'resize', ...size }));
  });
  const interrupt = (): void => {
    connection.write(encodeFrame({ is: 'signal', signal: SIGINT }));
    void sleep(INTERRUPT_MS, undefined, { signal: over.signal }).then(
      () => connection.destroy(),
      () => undefined,
    );
  };
  streams.signal.addEventListener('abort', interrupt);
  try {
    if (streams.stdin === undefined) sendEnd(connection);
    else sendInput(streams.stdin, connection, over.signal);
    return await receive(connection, streams, over.signal);
  } finally {
    over.abort();
    stopResizing();
    streams.signal.removeEventListener('abort', interrupt);
    connection.destroy();
  }
}

async function receive(connection: Duplex, streams: ExecStreams, over: AbortSignal): Promise<number> {
  const frames = framesOf(connection);
  try {
    for await (const frame of frames) {
      const code = await receiveFrame(frame, streams, over);
      if (code !== undefined) return code;
    }
  } catch (error) {
    if (error instanceof HypemanError) throw error;
    if (!streams.signal.aborted) throw lost(messageOf(error), error);
  }
  if (streams.signal.aborted) return EXIT.interrupted;
  throw lost('it ended without an exit code');
}

async function receiveFrame(
  frame: ExecFrame,
  streams: ExecStreams,
  over: AbortSignal,
): Promise<number | undefined> {
  if (frame.is === 'exit') return frame.code;
  if (frame.is === 'fault') throw new HypemanError('transient', frame.reason, frame.message);
  if (frame.is === 'stdout' || frame.is === 'stderr') {
    const output = streams[frame.is];
    if (!output.write(frame.bytes)) await drained(output, over);
  }
  return undefined;
}

function lost(why: string, cause?: unknown): HypemanError {
  return new HypemanError(
    'transient',
    'ConnectionLost',
    `the connection to the controller was lost: ${why}`,
    {
      cause,
    },
  );
}
