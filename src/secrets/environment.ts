import type { Secret } from './secret.ts';
import { digestOf } from './digest.ts';

/**
 * env and envFrom of an instance, merged; or why they cannot all be had now, with the values of which that leaves no
 * doubt.
 */
export type DeclaredEnvironment =
  | {
      readonly is: 'ready';
      readonly values: Readonly<Record<string, Secret>>;
      /** Names that were to be among the values, each with why it is not. */
      readonly lacking?: Readonly<Record<string, Lack>>;
    }
  | {
      readonly is: 'missing';
      readonly reason: string;
      readonly message: string;
      readonly values?: Readonly<Record<string, Secret>>;
    };

/** `message` names the variable and the way out, as one sentence. */
export type Lack = { readonly reason: string; readonly message: string };

/** One digest per name: what the World holds in place of values. */
export function environmentDigests(
  values: Readonly<Record<string, Secret>>,
  salt: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, digestOf(value, salt)]));
}
