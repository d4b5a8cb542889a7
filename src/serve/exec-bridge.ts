import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HypemanError, messageOf, reasonOf } from '../errors.ts';
import type { ExecSession, GuestLinks } from '../guest/guest-links.ts';
import type { InstanceId } from '../machine/ids.ts';
import { drained } from './drained.ts';
import { encodeFrame, framesOf } from './exec-frames.ts';
import type { ExecFrame } from './exec-frames.ts';
import { ExecOutput } from './exec-output.ts';
import { whenReachable } from './when-reachable.ts';

const SIGHUP = 1;
/** How long a client may take to fetch the last frame before its connection is cut. */
const FAREWELL_MS = 5000;

/**
 * Joins one client's frames to one program in the guest, until the program ends or the client goes. A
 * client that goes hangs up on its program (SIGHUP), as a closed terminal does. Never rejects: what
 * goes wrong is told to the client as a `fault`.
 */
export async function bridgeExec(client: Duplex, links: GuestLinks, id: InstanceId): Promise<void> {
  // A broken connection is seen as 'close'; without a listener 'error' would end the controller.
  client.on('error', () => undefined);
  // A refused frame must leave the connection open for the words that say so.
  const frames = framesOf(client.iterator({ destroyOnReturn: false }));
  try {
    const session = await startProgram(frames, links, id);
    endWith(client, { is: 'exit', code: await converse(client, frames, session) });
  } catch (error) {
    endWith(client, { is: 'fault', reason: reasonOf(error), message: messageOf(error) });
  }
}

async function startProgram(
  frames: AsyncGenerator<ExecFrame>,
  links: GuestLinks,
  id: InstanceId,
): Promise<ExecSession> {
  const first = await frames.next();
  if (first.done === true || first.value.is !== 'start')
    throw new HypemanError('invalid', 'BadFrame', 'an exec connection begins with its request');
  const { request } = first.value;
  return whenReachable(() => links.exec(id, request));
}

/** Carries both directions; gives the exit code once the output that came before it is sent. */
async function converse(
  client: Duplex,
  frames: AsyncGenerator<ExecFrame>,
  session: ExecSession,
): Promise<number> {
  const over = new AbortController();
  const hangUp = (): void => {
    if (!over.signal.aborted) session.kill(SIGHUP);
    over.abort();
  };
  client.once('close', hangUp);
  if (client.destroyed) hangUp();
  const output = new ExecOutput(client, over.signal);
  try {
    // The end of the client's words is the end of the client: a process that died sends nothing more.
    void feed(frames, session, over.signal).then(hangUp, hangUp);
    const sent = Promise.all([output.send('stdout', session.stdout), output.send('stderr', session.stderr)]);
    const code = await session.exitCode;
    await Promise.race([sent, output.quiet()]);
    return code;
  } finally {
    client.off('close', hangUp);
    over.abort();
  }
}

/** What the client sends, in order; waits where the guest does not read, so that the client waits too. */
async function feed(
  frames: AsyncGenerator<ExecFrame>,
  session: ExecSession,
  over: AbortSignal,
): Promise<void> {
  // A program that closed its stdin is no failure of exec: what comes after is dropped.
  session.stdin.on('error', () => undefined);
  for await (const frame of frames) {
    if (over.aborted) continue;
    if (frame.is === 'stdin' && !session.stdin.write(frame.bytes)) await drained(session.stdin, over);
    if (frame.is === 'stdin-end') session.stdin.end();
    if (frame.is === 'resize') session.resize(frame.columns, frame.rows);
    if (frame.is === 'signal') session.kill(frame.signal);
  }
}

function endWith(client: Duplex, frame: ExecFrame): void {
  if (client.destroyed) return;
  client.end(encodeFrame(frame));
  void sleep(FAREWELL_MS, undefined, { ref: false }).then(() => client.destroy());
}
