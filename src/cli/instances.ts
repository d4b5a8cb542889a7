import type { ReportedInstance } from '../api/reported.ts';
import type { Condition } from '../api/status.ts';
import { valueAt } from '../api/raw.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { notFound } from './faults.ts';
import type { Fleet } from './fleet.ts';

/** What `-o name` prints before the name, so that its output can be given to every command again. */
export const NAME_PREFIX = 'instance.hypeman.dev/';
const PREFIX = /^(instances?|inst)(\.hypeman\.dev)?\//;

/** `web`, `instance/web` or `instance.hypeman.dev/web`: all mean `web`. */
export function bareName(text: string): string {
  return text.replace(PREFIX, '');
}

export function instanceKeyOf({ metadata }: ReportedInstance): InstanceKey {
  return keyOf(metadata.namespace, metadata.name);
}

export function conditionOf(instance: ReportedInstance, type: string): Condition | undefined {
  return instance.status.conditions.find((condition) => condition.type === type);
}

/** Whether its last valid declaration asks for mediation. */
export function isMediated({ spec }: ReportedInstance): boolean {
  return valueAt(spec, ['network', 'egress', 'enabled']) === true;
}

/** The one instance that is meant. Throws `NotFound`. */
export async function findInstance(
  fleet: Fleet,
  name: string,
  namespace: string = fleet.namespace,
): Promise<ReportedInstance> {
  const found = await fleet.find(keyOf(namespace, bareName(name)));
  if (found === undefined) throw notFound(namespace, bareName(name));
  return found;
}
