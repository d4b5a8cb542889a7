import type { Fields, InstanceRecord } from '../machine/record.ts';
import { mountsIn } from '../machine/volume.ts';
import { isCount, isId, isInstanceKey, isObject, isText, isTime, maybe, wrongFields } from './checks.ts';
import type { Check } from './checks.ts';

/** `unreadable` carries why, as one clause for a user. */
export type RecordReading =
  | { readonly is: 'record'; readonly record: InstanceRecord }
  | { readonly is: 'unreadable'; readonly why: string };

export function textOfRecord(record: InstanceRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/**
 * Parses a `record.json`. Everything without which an instance cannot be found again, or could harm
 * another, is checked; a field that a later version added is kept as it is.
 */
export function readRecord(text: string, directoryName: string): RecordReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { is: 'unreadable', why: 'it is not JSON' };
  }
  if (!isObject(value)) return { is: 'unreadable', why: 'it is not an object' };
  if (value.version !== 1)
    return { is: 'unreadable', why: 'it was written by another version of hypeman-controller' };
  const wrong = wrongFields(value, FIELDS);
  if (wrong.length > 0)
    return { is: 'unreadable', why: `these fields are missing or wrong: ${wrong.join(', ')}` };
  if (!isRecord(value)) return { is: 'unreadable', why: 'its identity is missing' };
  if (value.identity.id !== directoryName)
    return { is: 'unreadable', why: `it belongs to instance ${value.identity.id}, not to this directory` };
  return { is: 'record', record: value };
}

const FORK_FIELDS: Readonly<Record<string, Check>> = {
  instance: isInstanceKey,
  askedAt: maybe(isTime),
  askedOf: maybe(isId),
  source: maybe(isId),
  base: maybe(isId),
  sourcePauseMs: maybe(isTime),
  completedAt: maybe(isTime),
};

const FIELDS: Readonly<Record<string, Check>> = {
  key: isInstanceKey,
  uid: isText,
  'identity.id': isText,
  'identity.ip': isText,
  'identity.gateway': isText,
  'identity.mac': isText,
  'identity.tap': isText,
  'identity.salt': isText,
  // Root as the owner of a VMM would undo every wall around it.
  'identity.owner.uid': (value) => isCount(value) && value !== 0,
  'identity.owner.gid': (value) => isCount(value) && value !== 0,
  'identity.owner.sharedGid': isCount,
  createdAt: isTime,
  image: maybe(isObject),
  run: maybe((value) => isObject(value) && isTime(value.startedAt) && isApplied(value.applied)),
  exit: maybe((value) => isObject(value) && isTime(value.at)),
  stopping: maybe((value) => isObject(value) && isTime(value.since)),
  stoppedAt: maybe(isTime),
  fork: maybe((value) => isObject(value) && wrongFields(value, FORK_FIELDS).length === 0),
  restarts: isCount,
  failures: isCount,
};

/** A run of which nobody can tell what it has, above all which volumes, is none that anything may be done about. */
function isApplied(value: unknown): boolean {
  return isObject(value) && isFields(value.fields) && mountsIn(value.fields) !== undefined;
}

function isFields(value: unknown): value is Fields {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isRecord(value: object): value is InstanceRecord {
  return 'identity' in value && isObject(value.identity);
}
