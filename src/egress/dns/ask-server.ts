import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIP } from 'node:net';
import { queryFor, readReply } from './message.ts';
import type { Question, Reply, Told } from './message.ts';

export type NameServer = { readonly address: string; readonly port: number };

/**
 * Asks one server, over UDP and where its answer was cut over TCP. Each question has a socket, and so a
 * port, and an id of its own: who wants to answer in the server's place has to guess both (RFC 5452).
 * Throws when there is no answer by the time `signal` says.
 */
export async function askServer(server: NameServer, question: Question, signal: AbortSignal): Promise<Reply> {
  const query = queryFor(question, randomInt(0x1_0000));
  const ask = { server, query, read: (bytes: Buffer) => readReply(bytes, query, question), signal };
  const told = await askOverUdp(ask);
  return told.is === 'reply' ? told.reply : await askOverTcp(ask);
}

type Ask = {
  readonly server: NameServer;
  readonly query: Buffer;
  readonly read: (bytes: Buffer) => Told;
  readonly signal: AbortSignal;
};

function askOverUdp({ server, query, read, signal }: Ask): Promise<Exclude<Told, { is: 'foreign' }>> {
  const { promise, resolve, reject } = Promise.withResolvers<Exclude<Told, { is: 'foreign' }>>();
  const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4');
  const stop = (): void => {
    reject(new Error('the name server does not answer'));
  };
  signal.addEventListener('abort', stop, { once: true });
  socket.on('error', reject);
  socket.on('message', (bytes) => {
    const told = read(bytes);
    // Whoever sent it, it is not the answer, which may still come.
    if (told.is !== 'foreign') resolve(told);
  });
  // Connected, the kernel drops what comes from elsewhere and tells when nobody listens there.
  socket.once('connect', () => {
    socket.send(query);
  });
  socket.connect(server.port, server.address);
  if (signal.aborted) stop();
  return promise.finally(() => {
    signal.removeEventListener('abort', stop);
    socket.close();
  });
}

function askOverTcp({ server, query, read, signal }: Ask): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const socket = connect({ host: server.address, port: server.port, signal });
  const chunks: Buffer[] = [];
  socket.on('error', reject);
  socket.once('close', () => {
    reject(new Error('the name server closed the connection'));
  });
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
    const told = read(bytes.subarray(2, 2 + bytes.readUInt16BE(0)));
    if (told.is === 'reply') resolve(told.reply);
    else reject(new Error('the name server answers with something else'));
  });
  socket.write(framed(query));
  return promise.finally(() => {
    socket.destroy();
  });
}

/** With its length before it, as messages travel over TCP (RFC 1035 section 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
