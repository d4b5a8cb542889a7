import { HypemanError } from '../errors.ts';
import type { BootDescription } from '../machine/boot.ts';
import type { Secret } from '../secrets/secret.ts';
import { recordBytes } from './protocol.ts';
import { signalNumber } from './signals.ts';

/** What init has room for (init.h), less a few that it adds itself. */
const MAX_WORDS = 4000;
const MAX_BYTES = 1_000_000;
const SIGTERM = 15;

/**
 * What init reads: records of `tag value NUL`, ended by the record `.`, so that a cut file is not
 * run. boot.c is the reader. Throws `BootInvalid` for what no program could be given.
 */
export function bootConfig(boot: BootDescription, env: Readonly<Record<string, Secret>>): Buffer {
  const values: Record<string, string> = { ...boot.imageEnv };
  for (const [name, value] of Object.entries(env)) values[name] = value.reveal();
  const records: [string, string][] = [
    ['i', boot.id],
    ['h', boot.hostname],
    ['w', boot.workdir === '' ? '/' : boot.workdir],
    ['u', boot.user],
    ['s', String(signalNumber(boot.stopSignal) ?? SIGTERM)],
    ['x', boot.agent ? '1' : '0'],
    ...boot.argv.map((word): [string, string] => ['a', word]),
    ...Object.entries(values).map(([name, value]): [string, string] => ['e', `${name}=${value}`]),
  ];
  if (boot.network !== undefined)
    records.push(['p', boot.network.ip], ['g', boot.network.gateway], ['m', boot.network.mac]);
  records.push(['.', '']);
  refuse(boot.argv.length === 0, 'there is no program to run: the image names none, so spec.cmd must');
  refuse(
    boot.argv.length > MAX_WORDS || Object.keys(values).length > MAX_WORDS,
    `more than ${MAX_WORDS} words of command or environment`,
  );
  refuse(
    records.some(([, value]) => value.includes('\0')),
    'command and environment cannot hold NUL bytes',
  );
  const bytes = recordBytes(records);
  refuse(bytes.length > MAX_BYTES, 'command and environment are longer than 1 MB');
  return bytes;
}

function refuse(wrong: boolean, why: string): void {
  if (wrong)
    throw new HypemanError('invalid', 'BootInvalid', `the guest cannot be started like this: ${why}`);
}
