import { HypemanError } from '../errors.ts';
import type { ExecRequest, ExecSession } from './guest-links.ts';
import { GuestInput, GuestOutput } from './guest-stream.ts';
import type { SendFrame } from './guest-stream.ts';
import { guestFault } from './link-stream.ts';
import type { Heard, LinkStream } from './link-stream.ts';
import { FRAME_MAX, FROM_GUEST, FROM_HOST, numberBytes, recordBytes } from './protocol.ts';

/** The request as init reads it. Throws `ExecTooLong` where it would not fit in one frame. */
export function execRequestBytes(request: ExecRequest): Buffer {
  const records: [string, string][] = [
    ...request.argv.map((word): [string, string] => ['a', word]),
    ...Object.entries(request.env).map(([name, value]): [string, string] => ['e', `${name}=${value}`]),
  ];
  if (request.workdir !== undefined) records.push(['w', request.workdir]);
  if (request.terminal !== undefined)
    records.push(['c', String(request.terminal.columns)], ['r', String(request.terminal.rows)]);
  if (records.some(([, value]) => value.includes('\0')))
    throw new HypemanError('invalid', 'ExecInvalid', 'a command and its environment cannot hold NUL bytes');
  const bytes = recordBytes(records);
  if (bytes.length > FRAME_MAX)
    throw new HypemanError(
      'invalid',
      'ExecTooLong',
      'the command and its environment are longer than 64 KiB',
    );
  return bytes;
}

/** A program in the guest: the session for the caller, and the ear for its frames. */
export function execSession(send: SendFrame): { readonly session: ExecSession; readonly stream: LinkStream } {
  const input = new GuestInput(send);
  const output = new GuestOutput(send);
  const stdout = output.reader();
  const stderr = output.reader();
  const { promise: exitCode, resolve, reject } = Promise.withResolvers<number>();
  // Whoever waits gets it all the same; nobody waiting is no failure of the controller.
  exitCode.catch(() => undefined);
  for (const each of [stdout.readable, stderr.readable, input.writable]) each.on('error', () => undefined);
  const over = (): void => {
    input.close();
    stdout.end();
    stderr.end();
  };
  const abandon = (error: HypemanError): void => {
    reject(error);
    over();
  };
  output.open();
  const receive = (type: number, payload: Buffer): Heard => {
    if (type === FROM_GUEST.failed) {
      abandon(guestFault('ExecFailed', 'the guest cannot run this', payload));
      return 'over';
    }
    if (type === FROM_GUEST.out || type === FROM_GUEST.err) {
      if (!output.accept(payload)) return 'lie';
      (type === FROM_GUEST.out ? stdout : stderr).feed(payload);
      return 'open';
    }
    if (payload.length !== 4 || (type !== FROM_GUEST.credit && type !== FROM_GUEST.exited)) return 'lie';
    const number = payload.readUInt32LE(0);
    if (type === FROM_GUEST.credit) {
      input.grant(number);
      return 'open';
    }
    resolve(number & 0xff);
    over();
    return 'over';
  };
  const session = { stdin: input.writable, stdout: stdout.readable, stderr: stderr.readable, exitCode };
  return { session: { ...session, ...levers(send) }, stream: { receive, abandon } };
}

function levers(send: SendFrame): Pick<ExecSession, 'resize' | 'kill'> {
  return {
    resize: (columns, rows) => {
      send(FROM_HOST.resize, numberBytes((columns & 0xffff) + (rows & 0xffff) * 0x10000));
    },
    kill: (signal) => {
      send(FROM_HOST.kill, numberBytes(signal));
    },
  };
}
