import { once } from 'node:events';
import { connect } from 'node:net';
import { printAndEnd, untilStopped } from './processes.ts';

export type FloodJob = {
  /** Of a listener that redirected TLS connections come to. */
  readonly port: number;
  /** Each name is one below. */
  readonly host: string;
  /** Of the first name: a name that was minted is never asked again. */
  readonly from: number;
  readonly most: number;
  readonly lanes: number;
};

export type FloodDone = { readonly asked: number };

/** `name-flood.ts JOB`: TLS hello after TLS hello, each for another name, as fast as it goes, until its input ends. */
const job = JSON.parse(process.argv[2] ?? '') as FloodJob;
const stopped = untilStopped();
let asked = 0;
await Promise.all(Array.from({ length: job.lanes }, flood));
printAndEnd({ asked } satisfies FloodDone);

async function flood(): Promise<void> {
  while (!stopped.aborted && asked < job.most) {
    asked += 1;
    const socket = connect({ port: job.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.end(helloFor(`n${job.from + asked}.${job.host}`)).resume();
    await once(socket, 'close').catch(() => undefined);
  }
}

/** The least that is a ClientHello with a server name (RFC 8446 section 4.1.2, RFC 6066 section 3). */
function helloFor(name: string): Buffer {
  const host = Buffer.from(name);
  const serverName = Buffer.concat([
    Buffer.of(0, 0),
    sized(2, sized(2, Buffer.concat([Buffer.of(0), sized(2, host)]))),
  ]);
  const body = Buffer.concat([
    ...[Buffer.of(3, 3), Buffer.alloc(32), sized(1, Buffer.alloc(0)), sized(2, Buffer.of(0x13, 0x01))],
    ...[sized(1, Buffer.of(0)), sized(2, serverName)],
  ]);
  return Buffer.concat([Buffer.of(22, 3, 1), sized(2, Buffer.concat([Buffer.of(1), sized(3, body)]))]);
}

/** With its length before it, in so many bytes. */
function sized(bytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
}
