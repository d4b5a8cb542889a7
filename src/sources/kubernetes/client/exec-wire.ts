import { PassThrough } from 'node:stream';
import { Exec, KubeConfig } from '@kubernetes/client-node';

/** An open WebSocket to a command in a Pod: what is used of the `ws` package, which the client library opens. */
export type Wire = {
  readonly protocol: string;
  send(message: Buffer, sent: (error?: Error | null) => void): void;
  ping(): void;
  pause(): void;
  resume(): void;
  terminate(): void;
  on(event: 'close' | 'pong' | 'error', listener: () => void): unknown;
};

/** One message: the first byte of each says which stream it belongs to. */
export type Heard = (channel: number, bytes: Buffer) => void;

const HANDSHAKE_MS = 15_000;

/** Throws the `ws` package's error, which of a refusal has only the number. */
export async function openWire(config: KubeConfig, path: string, heard: Heard): Promise<Wire> {
  const { handler } = new Exec(bounded(config));
  // Left alone, the library ends this process's own stdout when a Pod closes its.
  Object.assign(handler, {
    streams: { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() },
  });
  const socket: unknown = await handler.connect(path, null, (channel, bytes) => {
    heard(channel, bytes);
    return true;
  });
  if (isWire(socket)) return socket;
  throw new Error('the client library gave no WebSocket');
}

/** The library gives no other way to end a handshake that nobody answers. */
function bounded(config: KubeConfig): KubeConfig {
  const same = new KubeConfig();
  same.loadFromOptions(config);
  same.applyToHTTPSOptions = async (options) => {
    await config.applyToHTTPSOptions(options);
    Object.assign(options, { handshakeTimeout: HANDSHAKE_MS, perMessageDeflate: false });
  };
  return same;
}

/** The library's types need @types/ws, which it does not bring. */
function isWire(value: unknown): value is Wire {
  return typeof value === 'object' && value !== null && 'send' in value && 'terminate' in value;
}
