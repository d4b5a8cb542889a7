import { PassThrough, Readable } from 'node:stream';
import { HypemanError } from '../../src/errors.ts';
import type { ExecRequest, ExecSession, GuestLinks, GuestStat } from '../../src/guest/guest-links.ts';

/** A program of the pretended guest: does what it wants with its streams and returns its exit code. */
export type Program = (process: GuestProcess) => Promise<number>;

type GuestProcess = {
  readonly request: ExecRequest;
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  /** Sizes and signals in the order they came. */
  readonly resizes: { columns: number; rows: number }[];
  readonly signals: number[];
  /** Resolves with the next signal. */
  readonly nextSignal: () => Promise<number>;
};

export type ScriptedGuest = {
  readonly links: GuestLinks;
  readonly files: Map<string, { readonly mode: number; readonly content: Buffer }>;
  readonly started: GuestProcess[];
};

/** A guest whose programs are functions: enough for everything that talks to `GuestLinks`. */
export function scriptedGuest(programs: Readonly<Record<string, Program>>): ScriptedGuest {
  const files = new Map<string, { readonly mode: number; readonly content: Buffer }>();
  const started: GuestProcess[] = [];
  const unused = (): never => {
    throw new Error('no test asks for this');
  };
  const links: GuestLinks = {
    look: () => ({ state: 'silent' }),
    lastTold: () => ({ state: 'silent' }),
    drop: unused,
    acknowledgeExit: unused,
    shutdown: unused,
    trustAuthority: unused,
    hold: unused,
    release: unused,
    heldForMs: unused,
    identify: unused,
    setClock: unused,
    reseed: unused,
    close: () => undefined,
    exec: (_id, request) => {
      const program = programs[request.argv[0] ?? ''];
      if (program === undefined)
        return Promise.reject(new HypemanError('transient', 'GuestUnreachable', 'the guest does not answer'));
      const { process, session } = spawnProgram(program, request);
      started.push(process);
      return Promise.resolve(session);
    },
    stat: (_id, path) => Promise.resolve(statOf(files.get(path))),
    read: (_id, path) => Promise.resolve(Readable.from([files.get(path)?.content ?? Buffer.alloc(0)])),
    write: async (_id, path, mode, content) => {
      const parts: Buffer[] = [];
      for await (const part of content) parts.push(Buffer.from(part));
      files.set(path, { mode, content: Buffer.concat(parts) });
    },
  };
  return { links, files, started };
}

function spawnProgram(
  program: Program,
  request: ExecRequest,
): { process: GuestProcess; session: ExecSession } {
  const waiting: ((signal: number) => void)[] = [];
  const process: GuestProcess = {
    request,
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    resizes: [],
    signals: [],
    nextSignal: () => new Promise((resolve) => waiting.push(resolve)),
  };
  const exitCode = program(process).finally(() => {
    process.stdout.end();
    process.stderr.end();
  });
  const session: ExecSession = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    exitCode,
    resize: (columns, rows) => process.resizes.push({ columns, rows }),
    kill: (signal) => {
      process.signals.push(signal);
      waiting.shift()?.(signal);
    },
  };
  return { process, session };
}

function statOf(
  file: { readonly mode: number; readonly content: Buffer } | undefined,
): GuestStat | undefined {
  if (file === undefined) return undefined;
  return { kind: 'file', mode: file.mode, size: file.content.length, modifiedAt: 0 };
}

/** Copies its input to its output, as cat(1). */
export const cat: Program = async ({ stdin, stdout }) => {
  for await (const chunk of stdin) stdout.write(chunk);
  return 0;
};
