import type { GrantShape, PolicyShape } from '../machine/egress.ts';
import type { DeclaredEnvironment, Lack } from '../secrets/environment.ts';
import { Secret } from '../secrets/secret.ts';
import { LONGEST_VALUE } from './control/policy-text.ts';
import { LONGEST_LINE } from './control/words.ts';
import type { Grant, Policy } from './policy.ts';

export type Filled = {
  readonly policy: Policy;
  /** Why some of its grants have no value; absent: all have one. */
  readonly lack?: Lack;
};

/** RFC 9110 section 5.5: what Node sends as one field value, byte for byte (latin1). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;
const VALUE = '${value}';

/** Of all values of one instance together, in characters: with two bytes each they fit into one message. */
const MOST_CHARACTERS = LONGEST_LINE / 4;

/**
 * Puts the values of the declared environment into a policy. One line break at the end of a value, as files
 * have it, is taken off. A value that is missing, blank or no header value is told by its variable's name alone, and
 * leaves its own grants without one: neither another value nor a rule waits for it.
 */
export function fillPolicy(shape: PolicyShape, environment: DeclaredEnvironment): Filled {
  const lacks = new Map<string, Lack>();
  let characters = 0;
  const grants = shape.grants.map((grant): Grant => {
    const found = valueFor(grant, environment);
    if (found.is === 'value') characters += found.text.length;
    const tooMuch = characters > MOST_CHARACTERS ? lackOf(grant, TOO_MUCH) : undefined;
    const lack = found.is === 'lack' ? found.lack : tooMuch;
    if (lack !== undefined) lacks.set(lack.message, lack);
    return found.is === 'value' && lack === undefined ? { ...grant, value: new Secret(found.text) } : grant;
  });
  const policy = { ...shape, grants };
  const [first] = lacks.values();
  if (first === undefined) return { policy };
  return { policy, lack: { reason: first.reason, message: [...lacks.keys()].join('; ') } };
}

type Found = { readonly is: 'value'; readonly text: string } | { readonly is: 'lack'; readonly lack: Lack };

function valueFor(grant: GrantShape, environment: DeclaredEnvironment): Found {
  const { credential, sourceEnv } = grant;
  const value = ownOf(environment.values ?? {}, sourceEnv);
  if (value === undefined && environment.is === 'missing') {
    const { reason, message } = environment;
    return { is: 'lack', lack: { reason, message } };
  }
  const told = environment.is === 'ready' ? ownOf(environment.lacking ?? {}, sourceEnv) : undefined;
  if (told !== undefined)
    return {
      is: 'lack',
      lack: { reason: told.reason, message: `credential ${credential}: ${told.message}` },
    };
  const text = (value?.reveal() ?? '').replace(/\r?\n$/, '');
  const wrong = problemOf(text, grant.format);
  return wrong === undefined ? { is: 'value', text } : { is: 'lack', lack: lackOf(grant, wrong) };
}

function lackOf({ credential, sourceEnv }: GrantShape, { reason, message }: Problem): Lack {
  return { reason, message: `credential ${credential}: ${sourceEnv} ${message}` };
}

type Problem = { readonly reason: 'KeyMissing' | 'ValueInvalid'; readonly message: string };

const TOO_MUCH: Problem = {
  reason: 'ValueInvalid',
  message: `and the values before it have more than ${MOST_CHARACTERS} characters together: leave out what is not needed`,
};

function problemOf(text: string, format: string): Problem | undefined {
  if (text.trim() === '')
    return { reason: 'KeyMissing', message: 'is missing or blank: give it a value in env or envFrom' };
  if (!FIELD_VALUE.test(text))
    return {
      reason: 'ValueInvalid',
      message:
        'holds line breaks, control or non-latin1 characters, which no HTTP header can carry: give it one line of text',
    };
  if (longestOf(text, format) <= LONGEST_VALUE) return undefined;
  return {
    reason: 'ValueInvalid',
    message: `makes a header of more than ${LONGEST_VALUE} characters, which no server reads: give it a shorter one`,
  };
}

/** Of the value, the format, and the header that they make. */
function longestOf(text: string, format: string): number {
  const uses = format.split(VALUE).length - 1;
  return Math.max(text.length, format.length, format.length + uses * (text.length - VALUE.length));
}

/** A variable may be called `constructor`. */
function ownOf<T>(entries: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}
