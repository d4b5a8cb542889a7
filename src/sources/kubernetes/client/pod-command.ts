import { Duplex } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import { HypemanError, messageOf } from '../../../errors.ts';
import type { ApiServer } from '../api-server.ts';
import type { AgentPod } from './agent-pod.ts';
import { endingIn } from './exec-status.ts';
import { openWire } from './exec-wire.ts';
import type { Wire } from './exec-wire.ts';
import { keepWarm } from './keep-warm.ts';
import { refusalOf } from './refusals.ts';

// The subprotocols v4 and v5.channel.k8s.io (k8s.io/apimachinery/pkg/util/httpstream, RemoteCommand).
const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const CLOSE = 255;
const WITH_CLOSE = 'v5.channel.k8s.io';
/** As kubectl sends it: some servers take no bigger messages. */
const MOST_BYTES = 32 * 1024;
const MOST_COMPLAINT = 2_000;

/**
 * Runs a command in a Pod: what is written is its stdin, what is read its stdout. Ends as the command does with
 * 0; fails with what it said on stderr otherwise, and when the connection is lost. To destroy it closes its
 * stdin. Throws what the server refused.
 */
export async function openPodCommand(
  { api, config }: { readonly api: ApiServer; readonly config: KubeConfig },
  pod: AgentPod,
  argv: readonly string[],
): Promise<Duplex> {
  const path = execPath(pod, argv);
  const stream = new CommandStream(pod);
  try {
    stream.attach(
      await openWire(config, path, (channel, bytes) => {
        stream.hear(channel, bytes);
      }),
    );
  } catch (error) {
    throw await reasonFor(api, pod, path, error);
  }
  return stream.duplex;
}

function execPath({ namespace, name, container }: AgentPod, argv: readonly string[]): string {
  const query = new URLSearchParams({
    container,
    stdin: 'true',
    stdout: 'true',
    stderr: 'true',
    tty: 'false',
  });
  for (const word of argv) query.append('command', word);
  return `/api/v1/namespaces/${namespace}/pods/${name}/exec?${query.toString()}`;
}

/** Asked without the upgrade, the server says in words what it refuses; the handshake has only a number. */
async function reasonFor(api: ApiServer, pod: AgentPod, path: string, cause: unknown): Promise<HypemanError> {
  const answer = await api.ask({ method: 'GET', path });
  if ([401, 403, 404].includes(answer.status))
    return refusalOf(answer, `run a command in the Pod ${pod.name}`);
  const message = `the agent ${pod.namespace}/${pod.name} cannot be reached through the API server: ${wordsOf(cause)}`;
  return new HypemanError('transient', 'AgentUnreachable', message, { cause });
}

/** The `ws` package rejects with an event that has a message. */
function wordsOf(cause: unknown): string {
  const hasMessage = typeof cause === 'object' && cause !== null && 'message' in cause;
  return hasMessage ? String(cause.message) : messageOf(cause);
}

class CommandStream {
  readonly duplex: Duplex;
  readonly #pod: AgentPod;
  #wire: Wire | undefined;
  #complaint = '';
  #isOver = false;

  constructor(pod: AgentPod) {
    this.#pod = pod;
    this.duplex = new Duplex({
      read: () => {
        this.#wire?.resume();
      },
      write: (chunk: Buffer, _encoding, done) => {
        this.#send(chunk, done);
      },
      final: (done) => {
        if (this.#wire?.protocol !== WITH_CLOSE) done();
        else this.#wire.send(Buffer.from([CLOSE, STDIN]), done);
      },
      destroy: (error, done) => {
        this.#wire?.terminate();
        done(error);
      },
    });
    this.duplex.once('end', () => this.duplex.destroy());
  }

  attach(wire: Wire): void {
    this.#wire = wire;
    const cool = keepWarm(wire);
    wire.on('error', () => undefined);
    wire.on('close', () => {
      cool();
      if (!this.#isOver) this.#fail('ConnectionLost', 'the connection to it was lost');
    });
  }

  hear(channel: number, bytes: Buffer): void {
    if (channel === STDOUT && bytes.length > 0 && !this.duplex.push(bytes)) this.#wire?.pause();
    if (channel === STDERR) this.#complaint = `${this.#complaint}${bytes.toString()}`.slice(-MOST_COMPLAINT);
    if (channel === ERROR && bytes.length > 0) this.#end(bytes.toString());
  }

  #end(text: string): void {
    const ending = endingIn(text);
    if (ending.is === 'exited' && ending.code === 0) {
      this.#isOver = true;
      this.duplex.push(null);
      return;
    }
    const said = this.#complaint.trim().replace(/^error: /, '');
    const code = ending.is === 'exited' ? `it ended with exit code ${ending.code}` : ending.message;
    this.#fail('AgentUnreachable', said === '' ? code : said);
  }

  #fail(reason: 'AgentUnreachable' | 'ConnectionLost', why: string): void {
    this.#isOver = true;
    const { namespace, name } = this.#pod;
    this.duplex.destroy(new HypemanError('transient', reason, `the agent ${namespace}/${name}: ${why}`));
  }

  #send(chunk: Buffer, done: (error?: Error | null) => void): void {
    const part = chunk.subarray(0, MOST_BYTES);
    this.#wire?.send(Buffer.concat([Buffer.from([STDIN]), part]), (error) => {
      if (error !== undefined && error !== null) done(error);
      else if (part.length === chunk.length) done();
      else this.#send(chunk.subarray(MOST_BYTES), done);
    });
  }
}
