import { createHash } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageFrame, messagesIn } from './websocket-frames.ts';

export type ExecProtocol = 'v4.channel.k8s.io' | 'v5.channel.k8s.io';

/**
 * The exec endpoint of a kubelet, scripted: `GET /exec/NAMESPACE/POD/CONTAINER?command=…`, upgraded to a WebSocket that
 * speaks the published remote command protocol. What it runs is a real process with real pipes.
 */
export type ScriptedKubelet = {
  readonly port: number;
  /** The words of each command, in the order they came. */
  readonly commands: readonly (readonly string[])[];
  /** Processes that have not ended. */
  running(): number;
  /** Drops every connection, as a network does. */
  cut(): void;
  close(): Promise<void>;
};

export type KubeletOptions = {
  /** With `server.crt` and `server.key`. */
  readonly directory: string;
  readonly protocol: ExecProtocol;
  /** Undefined: the container has no such program. */
  readonly start: (argv: readonly string[]) => ChildProcess | undefined;
};

export async function startScriptedKubelet(options: KubeletOptions): Promise<ScriptedKubelet> {
  const commands: (readonly string[])[] = [];
  const children = new Set<ChildProcess>();
  const sockets = new Set<Duplex>();
  const server = createServer({
    key: readFileSync(`${options.directory}/server.key`),
    cert: readFileSync(`${options.directory}/server.crt`),
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    const argv = new URL(request.url ?? '', 'https://kubelet').searchParams.getAll('command');
    commands.push(argv);
    socket.write(handshake(request, options.protocol));
    const child = options.start(argv);
    if (child === undefined) {
      socket.write(messageFrame(ERROR, failure('InternalError', 'executable file not found in $PATH')));
      socket.end(CLOSE_FRAME);
      return;
    }
    children.add(child);
    child.once('exit', () => children.delete(child));
    join(socket, child, options.protocol);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    commands,
    running: () => children.size,
    cut,
    close: async () => {
      if (!server.listening) return;
      cut();
      for (const child of children) child.kill('SIGKILL');
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const CLOSE = 255;
/** Opcode 8 with the code 1000 (RFC 6455, 5.5.1). */
const CLOSE_FRAME = Buffer.from([0x88, 2, 0x03, 0xe8]);

function handshake({ headers }: IncomingMessage, protocol: ExecProtocol): string {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(/,\s*/);
  if (!offered.includes(protocol)) return 'HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n';
  const accept = createHash('sha1')
    .update(`${headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  return [...lines, `Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`, '', ''].join(
    '\r\n',
  );
}

function join(socket: Duplex, child: ChildProcess, protocol: ExecProtocol): void {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('a process without pipes');
  stdin.on('error', () => undefined);
  // A kubelet begins so: it tells that the streams are open.
  socket.write(messageFrame(STDOUT, Buffer.alloc(0)));
  for (const [channel, stream] of [
    [STDOUT, stdout],
    [STDERR, stderr],
  ] as const)
    stream.on('data', (chunk: Buffer) => socket.write(messageFrame(channel, chunk)));
  void receive(socket, (channel, bytes) => {
    if (channel === STDIN) stdin.write(bytes);
    if (channel === CLOSE && protocol.startsWith('v5') && bytes[0] === STDIN) stdin.end();
  }).finally(() => stdin.end());
  child.once('close', (code) => {
    const status = code === 0 ? Buffer.from('{"metadata":{},"status":"Success"}') : exitStatus(code ?? 137);
    socket.write(messageFrame(ERROR, status));
    socket.end(CLOSE_FRAME);
  });
}

async function receive(socket: Duplex, take: (channel: number, bytes: Buffer) => void): Promise<void> {
  try {
    for await (const message of messagesIn(socket)) {
      if (message.is === 'close') return;
      if (message.is === 'ping')
        socket.write(Buffer.concat([Buffer.from([0x8a, message.bytes.length]), message.bytes]));
      else take(message.bytes[0] ?? 0, message.bytes.subarray(1));
    }
  } catch {
    // Cut.
  }
}

function exitStatus(code: number): Buffer {
  const causes = [{ reason: 'ExitCode', message: String(code) }];
  const details = { causes };
  const message = `command terminated with non-zero exit code: exit status ${code}`;
  return Buffer.from(JSON.stringify({ status: 'Failure', reason: 'NonZeroExitCode', message, details }));
}

function failure(reason: string, message: string): Buffer {
  return Buffer.from(JSON.stringify({ status: 'Failure', reason, message, code: 500 }));
}
