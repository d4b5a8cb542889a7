import type { PolicyShape } from '../machine/egress.ts';
import { Secret } from '../secrets/secret.ts';
import type { Policy } from './policy.ts';

export type Filled =
  | { readonly is: 'ready'; readonly policy: Policy }
  | { readonly is: 'missing'; readonly reason: string; readonly message: string };

/** RFC 9110 section 5.5: what Node sends as one field value, byte for byte (latin1). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;

/**
 * Puts the values of the declared environment into a policy. One line break at the end of a value, as files
 * have it, is taken off. A value that is missing, blank or no header value is told by its variable's name alone.
 */
export function fillPolicy(shape: PolicyShape, values: Readonly<Record<string, Secret>>): Filled {
  const grants: Policy['grants'][number][] = [];
  for (const { sourceEnv, ...rest } of shape.grants) {
    const text = values[sourceEnv]?.reveal().replace(/\r?\n$/, '');
    const wrong = problemOf(text, rest.credential, sourceEnv);
    if (wrong !== undefined) return wrong;
    grants.push({ ...rest, value: new Secret(text ?? '') });
  }
  return { is: 'ready', policy: { ...shape, grants } };
}

function problemOf(text: string | undefined, credential: string, sourceEnv: string): Filled | undefined {
  const of = `credential ${credential}: ${sourceEnv}`;
  if (text === undefined)
    return missing('KeyMissing', `${of} is in neither env nor envFrom: add it to one of them`);
  if (text.trim() === '') return missing('KeyMissing', `${of} is blank: give it the real value`);
  if (FIELD_VALUE.test(text)) return undefined;
  return missing(
    'ValueInvalid',
    `${of} holds line breaks, control or non-latin1 characters, which no HTTP header can carry: give it one line of text`,
  );
}

function missing(reason: string, message: string): Filled {
  return { is: 'missing', reason, message };
}
