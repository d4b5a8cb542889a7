import type { Inheritance } from '../api/inheritance.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { Secret } from '../secrets/secret.ts';
import { isBoolean, isCount, isObject, isText, isTextList, isTextMap, maybe, wrongFields } from './checks.ts';
import type { Check } from './checks.ts';

/** `unreadable` carries why, as one clause for a user; never a value. */
export type InheritanceReading =
  | { readonly is: 'inheritance'; readonly inheritance: Inheritance }
  | { readonly is: 'unreadable'; readonly why: string };

/** `inherited.json`. The plain env is in it in clear: there is no other place that it could be had from. */
export function textOfInheritance(fork: InstanceKey, { spec, env, withheld }: Inheritance): string {
  const values = Object.fromEntries(
    Object.entries(env)
      .filter(([name]) => !withheld.includes(name))
      .map(([name, value]) => [name, value.reveal()]),
  );
  return `${JSON.stringify({ version: 1, fork, spec, env: values, withheld }, undefined, 2)}\n`;
}

export function readInheritance(text: string, fork: InstanceKey): InheritanceReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { is: 'unreadable', why: 'it is not JSON' };
  }
  const wrong = wrongFields(value, FIELDS);
  if (wrong.length > 0)
    return { is: 'unreadable', why: `these fields are missing or wrong: ${wrong.join(', ')}` };
  if (!isKept(value)) return { is: 'unreadable', why: 'it is not an object' };
  if (value.fork !== fork) return { is: 'unreadable', why: `it belongs to ${value.fork}, not to ${fork}` };
  const { spec, env, withheld } = value;
  const values = Object.entries(env).map(([name, text]) => [name, new Secret(text)] as const);
  return { is: 'inheritance', inheritance: { spec, env: Object.fromEntries(values), withheld } };
}

type Kept = Pick<Inheritance, 'spec' | 'withheld'> & {
  readonly fork: string;
  readonly env: Readonly<Record<string, string>>;
};

const oneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value);

const isInjection: Check = (value) =>
  isObject(value) && isTextList(value.hosts) && [value.header, value.format].every(isText);

const isCredential: Check = (value) =>
  isObject(value) &&
  isText(value.sourceEnv) &&
  Array.isArray(value.inject) &&
  value.inject.every(isInjection);

const isMount: Check = (value) => isObject(value) && [value.volume, value.mountPath].every(isText);

/** What a machine, or its policy, is made from: half of it would be another machine, or an open door. */
const FIELDS: Readonly<Record<string, Check>> = {
  version: oneOf(1),
  fork: isText,
  env: isTextMap,
  withheld: isTextList,
  'spec.image': maybe(isText),
  'spec.entrypoint': maybe(isTextList),
  'spec.cmd': maybe(isTextList),
  'spec.credentials': (value) => isObject(value) && Object.values(value).every(isCredential),
  'spec.vcpus': isCount,
  'spec.memoryBytes': isCount,
  'spec.hotplugBytes': isCount,
  'spec.overlayBytes': isCount,
  'spec.network.enabled': isBoolean,
  'spec.network.egress.enabled': isBoolean,
  'spec.network.egress.mode': oneOf('all', 'http_https_only'),
  'spec.volumes': (value) => Array.isArray(value) && value.every(isMount),
  'spec.devices': isTextList,
  'spec.tags': isTextMap,
  'spec.state': oneOf('Running', 'Standby', 'Stopped'),
  'spec.restartPolicy': oneOf('Always', 'OnFailure', 'Never'),
  'spec.updatePolicy': oneOf('OnRestart', 'Restart', 'Recreate'),
};

function isKept(value: unknown): value is Kept {
  return isObject(value) && isObject(value.spec);
}
