import { HypemanError } from '../errors.ts';
import type { ExecRequest } from '../guest/guest-links.ts';

/** The frames of an exec connection that carry words and not bytes. */
export type ExecWords =
  | { readonly is: 'start'; readonly request: ExecRequest }
  | { readonly is: 'stdin-end' }
  | { readonly is: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly is: 'signal'; readonly signal: number }
  | { readonly is: 'exit'; readonly code: number }
  | { readonly is: 'fault'; readonly reason: string; readonly message: string };

/** A terminal's size is an unsigned short in the kernel (struct winsize, ioctl_tty(2)). */
const MAX_SIDE = 65_535;
/** Signals of Linux on every architecture we run on: 1 to 64 (signal(7)). */
const MAX_SIGNAL = 64;

/** Reads one frame of words. Throws `BadFrame` when a word is missing or is not what it has to be. */
export function parseExecWords(value: unknown): ExecWords {
  const words = record(value);
  switch (words.is) {
    case 'start':
      return { is: 'start', request: requestOf(record(words.request)) };
    case 'stdin-end':
      return { is: 'stdin-end' };
    case 'resize':
      return { is: 'resize', ...sizeOf(words) };
    case 'signal':
      return { is: 'signal', signal: whole(words.signal, 'signal', MAX_SIGNAL) };
    case 'exit':
      return { is: 'exit', code: whole(words.code, 'code', 255) };
    case 'fault':
      return { is: 'fault', reason: text(words.reason, 'reason'), message: text(words.message, 'message') };
    default:
      throw bad('its kind');
  }
}

function requestOf(request: Words): ExecRequest {
  const { argv } = request;
  if (!isTexts(argv) || argv.length === 0) throw bad('argv');
  const env = Object.entries(record(request.env)).map(([name, value]) => [name, text(value, name)] as const);
  return {
    argv,
    env: Object.fromEntries(env),
    ...(request.workdir === undefined ? {} : { workdir: text(request.workdir, 'workdir') }),
    ...(request.terminal === undefined ? {} : { terminal: sizeOf(record(request.terminal)) }),
  };
}

function sizeOf(size: Words): { readonly columns: number; readonly rows: number } {
  return { columns: whole(size.columns, 'columns', MAX_SIDE), rows: whole(size.rows, 'rows', MAX_SIDE) };
}

type Words = Readonly<Record<string, unknown>>;

function record(value: unknown): Words {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('its body');
  return Object.fromEntries(Object.entries(value));
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw bad(what);
  return value;
}

function whole(value: unknown, what: string, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most) throw bad(what);
  return value;
}

function bad(what: string): HypemanError {
  return new HypemanError(
    'invalid',
    'BadFrame',
    `an exec frame is refused: ${what} is not what it has to be`,
  );
}
