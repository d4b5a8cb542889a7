import type { PolicyShape } from '../machine/egress.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import { Secret } from '../secrets/secret.ts';
import { LONGEST_VALUE } from './control/policy-text.ts';
import { LONGEST_LINE } from './control/words.ts';
import type { Policy } from './policy.ts';

export type Filled =
  | { readonly is: 'ready'; readonly policy: Policy }
  | { readonly is: 'missing'; readonly reason: string; readonly message: string };

/** RFC 9110 section 5.5: what Node sends as one field value, byte for byte (latin1). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;
const VALUE = '${value}';

/** Of all values of one instance together, in characters: with two bytes each they fit into one message. */
const MOST_CHARACTERS = LONGEST_LINE / 4;

/**
 * Puts the values of the declared environment into a policy. One line break at the end of a value, as files
 * have it, is taken off. A value that is missing, blank or no header value is told by its variable's name alone.
 * A policy that needs no value is not held up by an environment that cannot be had: least of all that credentials
 * are taken away.
 */
export function fillPolicy(shape: PolicyShape, environment: DeclaredEnvironment): Filled {
  if (shape.grants.length === 0) return { is: 'ready', policy: { ...shape, grants: [] } };
  return environment.is === 'missing' ? environment : filledWith(shape, environment);
}

type Ready = Extract<DeclaredEnvironment, { is: 'ready' }>;

function filledWith(shape: PolicyShape, { values, lacking = {} }: Ready): Filled {
  const grants: Policy['grants'][number][] = [];
  let characters = 0;
  for (const { sourceEnv, ...rest } of shape.grants) {
    const lack = Object.hasOwn(lacking, sourceEnv) ? lacking[sourceEnv] : undefined;
    if (lack !== undefined)
      return {
        is: 'missing',
        reason: lack.reason,
        message: `credential ${rest.credential}: ${lack.message}`,
      };
    const text = (ownValue(values, sourceEnv)?.reveal() ?? '').replace(/\r?\n$/, '');
    characters += text.length;
    const wrong = problemOf(text, rest.format) ?? (characters > MOST_CHARACTERS ? TOO_MUCH : undefined);
    if (wrong !== undefined) {
      const message = `credential ${rest.credential}: ${sourceEnv} ${wrong.message}`;
      return { is: 'missing', reason: wrong.reason, message };
    }
    grants.push({ ...rest, value: new Secret(text) });
  }
  return { is: 'ready', policy: { ...shape, grants } };
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
function ownValue(values: Readonly<Record<string, Secret>>, name: string): Secret | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
