import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { quantileOf } from '../figures.ts';

/** What one client process does: requests as fast as they are answered, for so long. */
export type Job = {
  /** How `host` is reached: straight, by CONNECT, or by a listener that redirected connections come to. */
  readonly way: 'straight' | 'connect' | 'redirected';
  readonly address: string;
  readonly port: number;
  readonly host: string;
  /** A PEM file of what the server's certificate has to be from. */
  readonly ca: string;
  readonly seconds: number;
  readonly concurrency: number;
  /** A connection for each request. */
  readonly isFresh: boolean;
  /** What the upstream has to have seen. */
  readonly expected: string;
};

export type Done = {
  readonly requests: number;
  readonly wrong: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

type Worker = { latencies: number[]; wrong: number; failed: number };

export async function runJob(job: Job): Promise<Done> {
  const context = createSecureContext({ ca: readFileSync(job.ca, 'utf8') });
  const worker: Worker = { latencies: [], wrong: 0, failed: 0 };
  const end = performance.now() + job.seconds * 1000;
  const began = performance.now();
  await Promise.all(Array.from({ length: job.concurrency }, () => ask(job, context, { worker, end })));
  const { latencies, wrong, failed } = worker;
  return {
    ...{ requests: latencies.length, wrong, failed },
    perSecond: (latencies.length / (performance.now() - began)) * 1000,
    p50Ms: quantileOf(latencies, 0.5),
    p99Ms: quantileOf(latencies, 0.99),
  };
}

async function ask(
  job: Job,
  context: SecureContext,
  { worker, end }: { readonly worker: Worker; readonly end: number },
): Promise<void> {
  const expected = backwards(job.expected);
  let line: Line | undefined;
  while (performance.now() < end) {
    const began = performance.now();
    try {
      line ??= new Line(await openTo(job, context), job.host);
      const body = await line.get();
      worker.latencies.push(performance.now() - began);
      if (!body.includes(`"${expected}"`)) worker.wrong += 1;
      if (!job.isFresh) continue;
    } catch {
      worker.failed += 1;
    }
    line?.end();
    line = undefined;
  }
  line?.end();
}

/** A connection on which requests go out and answers of a told length come back; next to no work of its own. */
export class Line {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #text = '';
  #waiting: { resolve: (body: string) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#request = Buffer.from(
      `GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\nAuthorization: Bearer mock-KEY\r\nUser-Agent: bench\r\n\r\n`,
    );
    socket.on('data', (chunk: Buffer) => {
      this.#hear(chunk);
    });
    const fail = (): void => this.#waiting?.reject(new Error('the connection ended'));
    socket.on('error', fail).on('close', fail);
  }

  /** Throws when the answer is not 200. */
  async get(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting = { resolve, reject };
    if (this.#socket.destroyed) throw new Error('the connection ended');
    this.#socket.write(this.#request);
    return promise;
  }

  end(): void {
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    this.#text += chunk.toString('latin1');
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#text)?.[1] ?? Number.NaN);
    if (this.#text.length < head + 4 + length) return;
    const text = this.#text;
    this.#text = '';
    if (text.startsWith('HTTP/1.1 200')) this.#waiting?.resolve(text.slice(head + 4));
    else this.#waiting?.reject(new Error(text.slice(0, head)));
  }
}

/** TLS to the job's host, verified, by the job's way. */
export async function openTo(
  job: Pick<Job, 'way' | 'address' | 'port' | 'host'>,
  secureContext: SecureContext,
): Promise<Socket> {
  const socket = connect({ host: job.address, port: job.port, noDelay: true });
  await once(socket, 'connect');
  if (job.way === 'connect') {
    socket.write(`CONNECT ${job.host}:443 HTTP/1.1\r\nHost: ${job.host}:443\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    if (!/^HTTP\/1\.[01] 200/.test(answer.toString('latin1'))) throw new Error(answer.toString('latin1'));
  }
  const secure = connectTls({ socket, secureContext, servername: job.host, ALPNProtocols: ['http/1.1'] });
  await once(secure, 'secureConnect');
  return secure;
}

/** Of text in ASCII. */
export function backwards(text: string): string {
  return Buffer.from(text).reverse().toString();
}
