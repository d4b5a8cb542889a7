import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { HypemanError } from '../errors.ts';
import type { GuestStat } from './guest-links.ts';
import { GuestInput, GuestOutput } from './guest-stream.ts';
import type { SendFrame } from './guest-stream.ts';
import { guestStatFrom } from './guest-words.ts';
import { guestFault } from './link-stream.ts';
import type { Heard, LinkStream } from './link-stream.ts';
import { FROM_GUEST, FROM_HOST } from './protocol.ts';

/** One question, one answer: facts about a path, or that there is none. */
export function statStream(): {
  readonly answer: Promise<GuestStat | undefined>;
  readonly stream: LinkStream;
} {
  const { promise, resolve, reject } = Promise.withResolvers<GuestStat | undefined>();
  const stream: LinkStream = {
    receive: (type, payload) => {
      if (type === FROM_GUEST.absent) resolve(undefined);
      else if (type === FROM_GUEST.failed)
        reject(guestFault('StatFailed', 'the guest cannot look at this', payload));
      else if (type === FROM_GUEST.stated) {
        const facts = guestStatFrom(payload);
        if (facts === undefined) return 'lie';
        resolve(facts);
      } else return 'lie';
      return 'over';
    },
    abandon: reject,
  };
  return { answer: promise, stream };
}

/** A file on its way out. The promise waits for the first word, so that "no such file" is thrown. */
export function readStream(send: SendFrame): {
  readonly answer: Promise<Readable>;
  readonly stream: LinkStream;
} {
  const { promise, resolve, reject } = Promise.withResolvers<Readable>();
  const output = new GuestOutput(send);
  let over = false;
  const file = output.reader(() => {
    if (!over) send(FROM_HOST.cancel);
  });
  const fail = (error: HypemanError): void => {
    over = true;
    reject(error);
    file.readable.on('error', () => undefined);
    file.fail(error);
  };
  const receive = (type: number, payload: Buffer): Heard => {
    if (type === FROM_GUEST.failed) {
      fail(guestFault('ReadFailed', 'the guest cannot read this', payload));
      return 'over';
    }
    if (type !== FROM_GUEST.out && type !== FROM_GUEST.done) return 'lie';
    if (!output.accept(payload)) return 'lie';
    resolve(file.readable);
    if (type === FROM_GUEST.out) {
      file.feed(payload);
      return 'open';
    }
    over = true;
    file.end();
    return 'over';
  };
  output.open();
  return { answer: promise, stream: { receive, abandon: fail } };
}

/** A file on its way in. Resolves when it has its name in the guest; before that nothing shows. */
export function writeStream(
  send: SendFrame,
  content: NodeJS.ReadableStream,
): { readonly answer: Promise<void>; readonly stream: LinkStream } {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const input = new GuestInput(send);
  let over = false;
  void pipeline(content, input.writable).catch((error: unknown) => {
    if (!over) send(FROM_HOST.cancel);
    reject(error instanceof Error ? error : new Error(String(error)));
  });
  const finish = (error?: HypemanError): void => {
    over = true;
    if (error === undefined) resolve(undefined);
    else reject(error);
    input.close();
  };
  const receive = (type: number, payload: Buffer): Heard => {
    switch (type) {
      case FROM_GUEST.credit:
        if (payload.length !== 4) return 'lie';
        input.grant(payload.readUInt32LE(0));
        return 'open';
      case FROM_GUEST.done:
        finish();
        return 'over';
      case FROM_GUEST.failed:
        finish(guestFault('WriteFailed', 'the guest cannot write this', payload));
        return 'over';
      default:
        return 'lie';
    }
  };
  return { answer: promise, stream: { receive, abandon: finish } };
}
