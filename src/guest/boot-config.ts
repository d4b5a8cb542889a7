import { HypemanError } from '../errors.ts';
import type { BootDescription, BootVolume } from '../machine/boot.ts';
import type { Secret } from '../secrets/secret.ts';
import { authorityRecords } from './authority-records.ts';
import { recordBytes } from './protocol.ts';
import { signalNumber } from './signals.ts';
import { serviceVariables, storesNamedIn, withEgress } from './trust-environment.ts';

/** What init has room for (init.h), less a few that it adds itself. */
const MAX_WORDS = 4000;
const MAX_BYTES = 1_000_000;
const SIGTERM = 15;

/**
 * What init reads: records of `tag value NUL`, ended by the record `.`, so that a cut file is not
 * run. boot.c is the reader. Throws `BootInvalid` for what no program could be given.
 */
export function bootConfig(boot: BootDescription, env: Readonly<Record<string, Secret>>): Buffer {
  const own = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.reveal()]));
  const values = withEgress(boot.egress, boot.imageEnv, own);
  const records: [string, string][] = [
    ['i', boot.id],
    ['h', boot.hostname],
    ['w', boot.workdir === '' ? '/' : boot.workdir],
    ['u', boot.user],
    ['s', String(signalNumber(boot.stopSignal) ?? SIGTERM)],
    ['x', boot.agent ? '1' : '0'],
    ...boot.argv.map((word): [string, string] => ['a', word]),
    ...Object.entries(values).map(([name, value]): [string, string] => ['e', `${name}=${value}`]),
    ...storeRecords(values),
  ];
  records.push(...(boot.volumes ?? []).flatMap(volumeRecords));
  if (boot.network !== undefined)
    records.push(['p', boot.network.ip], ['g', boot.network.gateway], ['m', boot.network.mac]);
  if (boot.egress !== undefined)
    records.push(...authorityRecords(boot.egress.authority), ...serviceRecords(boot.egress, values));
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

function serviceRecords(
  egress: NonNullable<BootDescription['egress']>,
  env: Readonly<Record<string, string>>,
): readonly [string, string][] {
  return serviceVariables(egress, env).map((variable): [string, string] => ['v', variable]);
}

/** A mount begins with the serial of its disk. */
function volumeRecords({
  serial,
  name,
  mountPath,
  readonly,
  layer,
}: BootVolume): readonly [string, string][] {
  return [
    ['d', serial],
    ['n', name],
    ['t', mountPath],
    ['r', readonly ? '1' : '0'],
    ...(layer === undefined ? [] : [['l', layer] as [string, string]]),
  ];
}

/** Told without mediation too: it may be switched on while the program runs. */
function storeRecords(env: Readonly<Record<string, string>>): readonly [string, string][] {
  const { bundles, javaStores } = storesNamedIn(env);
  return [
    ...bundles.map((path): [string, string] => ['b', path]),
    ...javaStores.map((path): [string, string] => ['j', path]),
  ];
}

function refuse(wrong: boolean, why: string): void {
  if (wrong)
    throw new HypemanError('invalid', 'BootInvalid', `the guest cannot be started like this: ${why}`);
}
