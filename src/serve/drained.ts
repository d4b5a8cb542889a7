/** Resolves when the stream takes more, or never will: closed, broken, or `over`. */
export async function drained(stream: NodeJS.WritableStream, over: AbortSignal): Promise<void> {
  if (over.aborted || !stream.writable) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of EVENTS) stream.off(event, done);
      over.removeEventListener('abort', done);
      resolve();
    };
    for (const event of EVENTS) stream.once(event, done);
    over.addEventListener('abort', done);
  });
}

const EVENTS = ['drain', 'close', 'error'] as const;
