import type { InstanceCounters } from '../egress/audit-trail.ts';
import { parseCounters, parseFollowed } from '../egress/control/answers.ts';
import { Lines } from '../egress/control/lines.ts';
import type { Followed } from '../egress/egress.ts';
import { HypemanError } from '../errors.ts';
import type { GuestStat } from '../guest/guest-links.ts';
import type { ProcessMemory } from '../host/process-memory.ts';
import type { Ping } from '../serve/control-socket.ts';

/** A decision has a host and some names; a thousand credentials would still fit. */
const LONGEST_LINE = 256 * 1024;

/** Who answered, or undefined when the words are not those of a controller. */
export function pingIn(text: string): Ping | undefined {
  const { pid, version, since } = fieldsOf(text);
  if (typeof pid !== 'number' || typeof version !== 'string' || typeof since !== 'string') return undefined;
  return { pid, version, since };
}

/** Throws `ControllerUnreachable` for words that are no stat. */
export function statIn(text: string): GuestStat {
  const { kind, mode, size, modifiedAt } = fieldsOf(text);
  if (!isKind(kind) || typeof mode !== 'number' || typeof size !== 'number' || typeof modifiedAt !== 'number')
    throw new HypemanError(
      'transient',
      'ControllerUnreachable',
      'the controller gave no stat that can be read',
    );
  return { kind, mode, size, modifiedAt };
}

/** Throws what `parseCounters` throws for words that are no counters. */
export function countersIn(text: string): InstanceCounters | undefined {
  return parseCounters(JSON.parse(text))[0];
}

/** Undefined for words that tell no memory: there is no VMM. */
export function memoryIn(text: string): ProcessMemory | undefined {
  const { residentBytes, sharedBytes, privateBytes } = fieldsOf(text);
  if (
    typeof residentBytes !== 'number' ||
    typeof sharedBytes !== 'number' ||
    typeof privateBytes !== 'number'
  )
    return undefined;
  return { residentBytes, sharedBytes, privateBytes };
}

/** One for each line. Ends with the stream, and fails with it when it was cut. */
export async function* followedIn(stream: AsyncIterable<Buffer>): AsyncGenerator<Followed> {
  const lines = new Lines(LONGEST_LINE);
  for await (const chunk of stream) {
    const whole = lines.push(chunk);
    if (whole === 'too-long')
      throw new HypemanError('transient', 'ControllerUnreachable', 'the controller said what is no decision');
    for (const line of whole) yield parseFollowed(fieldsOf(line));
  }
}

/** The controller's refusal as the error that it was there. */
export function faultIn(text: string, status: number): HypemanError {
  const { reason, message } = fieldsOf(text);
  return new HypemanError(
    status >= 500 ? 'transient' : 'invalid',
    typeof reason === 'string' ? reason : 'ControllerRefused',
    typeof message === 'string' ? message : `the controller answered with HTTP status ${status}`,
  );
}

const KINDS: readonly unknown[] = ['file', 'directory', 'symlink', 'other'] satisfies GuestStat['kind'][];

function isKind(value: unknown): value is GuestStat['kind'] {
  return KINDS.includes(value);
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
  } catch {
    return {};
  }
}
