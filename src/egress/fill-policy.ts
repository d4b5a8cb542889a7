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
/** Of characters, at the most. */
const LINE_BREAK = 2;

/** Of all values of one instance together, in characters: with two bytes each they fit into one message. */
const MOST_CHARACTERS = LONGEST_LINE / 4;

/**
 * Puts the values of the declared environment into a policy. One line break at the end of a value, as files
 * have it, is taken off. A value that is missing, blank or no header value is told by its variable's name alone, and
 * leaves its own grants without one: neither another value nor a rule waits for it.
 */
export function fillPolicy(shape: PolicyShape, environment: DeclaredEnvironment): Filled {
  const lacks = new Map<string, Lack>();
  const textOf = textsIn(environment);
  let characters = 0;
  const grants = shape.grants.map((grant): Grant => {
    const found = valueFor(grant, environment, textOf);
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

function valueFor(grant: GrantShape, environment: DeclaredEnvironment, textOf: TextOf): Found {
  const { credential, sourceEnv } = grant;
  if (environment.is === 'missing' && ownOf(environment.values ?? {}, sourceEnv) === undefined) {
    const { reason, message } = environment;
    return { is: 'lack', lack: { reason, message } };
  }
  const told = environment.is === 'ready' ? ownOf(environment.lacking ?? {}, sourceEnv) : undefined;
  if (told !== undefined)
    return {
      is: 'lack',
      lack: { reason: told.reason, message: `credential ${credential}: ${told.message}` },
    };
  const { text, problem } = textOf(sourceEnv);
  const wrong = problem ?? (longestOf(text, grant.format) > LONGEST_VALUE ? TOO_LONG : undefined);
  return wrong === undefined ? { is: 'value', text } : { is: 'lack', lack: lackOf(grant, wrong) };
}

type Text = { readonly text: string; readonly problem?: Problem | undefined };
type TextOf = (sourceEnv: string) => Text;

/** Each value is read once, however many rules need it: there may be hundreds, and a Secret holds a megabyte. */
function textsIn({ values = {} }: DeclaredEnvironment): TextOf {
  const known = new Map<string, Text>();
  return (sourceEnv) => {
    const text = known.get(sourceEnv) ?? textIn(ownOf(values, sourceEnv)?.reveal() ?? '');
    known.set(sourceEnv, text);
    return text;
  };
}

function textIn(whole: string): Text {
  if (whole.length > LONGEST_VALUE + LINE_BREAK) return { text: '', problem: TOO_LONG };
  const text = whole.replace(/\r?\n$/, '');
  return { text, problem: problemOf(text) };
}

function lackOf({ credential, sourceEnv }: GrantShape, { reason, message }: Problem): Lack {
  return { reason, message: `credential ${credential}: ${sourceEnv} ${message}` };
}

type Problem = { readonly reason: 'KeyMissing' | 'ValueInvalid'; readonly message: string };

const TOO_MUCH: Problem = {
  reason: 'ValueInvalid',
  message: `and the values before it have more than ${MOST_CHARACTERS} characters together: leave out what is not needed`,
};

const TOO_LONG: Problem = {
  reason: 'ValueInvalid',
  message: `makes a header of more than ${LONGEST_VALUE} characters, which no server reads: give it a shorter one`,
};

function problemOf(text: string): Problem | undefined {
  if (text.trim() === '')
    return { reason: 'KeyMissing', message: 'is missing or blank: give it a value in env or envFrom' };
  if (FIELD_VALUE.test(text)) return undefined;
  return {
    reason: 'ValueInvalid',
    message:
      'holds line breaks, control or non-latin1 characters, which no HTTP header can carry: give it one line of text',
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
