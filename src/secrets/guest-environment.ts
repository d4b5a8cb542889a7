import type { Disguise } from '../machine/boot.ts';
import { Secret } from './secret.ts';

/**
 * The declared environment as the guest gets it: without the variables that hold real credentials, and with a
 * placeholder under the name of each credential.
 */
export function guestEnvironment(
  declared: Readonly<Record<string, Secret>>,
  { withheld, placeholders }: Disguise,
): Readonly<Record<string, Secret>> {
  return Object.fromEntries([
    ...Object.entries(declared).filter(([name]) => !withheld.includes(name)),
    ...Object.entries(placeholders).map(([name, text]) => [name, new Secret(text)] as const),
  ]);
}
