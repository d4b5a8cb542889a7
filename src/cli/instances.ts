import type { ReportedInstance } from '../api/reported.ts';
import type { Condition } from '../api/status.ts';
import { valueAt } from '../api/raw.ts';
import { statIfThere } from '../host/files.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { readReported } from './reported.ts';
import type { CliContext, Places } from './context.ts';
import { controllerSocketOf } from './context.ts';
import { controllerAt } from './controller-client.ts';
import { ageText } from './durations.ts';
import { notFound } from './faults.ts';

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
  places: Places,
  namespace: string,
  name: string,
): Promise<ReportedInstance> {
  const key = keyOf(namespace, bareName(name));
  const found = (await readReported(places.stateDir)).find((instance) => instanceKeyOf(instance) === key);
  if (found === undefined) throw notFound(namespace, bareName(name));
  return found;
}

/**
 * A status is what a controller last wrote. When none runs, that is said on stderr, with the time of the
 * last word, and the command goes on.
 */
export async function warnIfStale(
  context: CliContext,
  places: Places,
  instances: readonly ReportedInstance[],
): Promise<void> {
  if (instances.length === 0) return;
  if ((await controllerAt(controllerSocketOf(places)).ping()) !== 'absent') return;
  const times = await Promise.all(instances.map((instance) => writtenAt(places, instance)));
  const last = Math.max(...times);
  const since =
    last > 0 ? ` is from ${new Date(last).toISOString()} (${ageText(context.now() - last)} ago) and` : '';
  context.stderr.write(
    `warning: no controller runs on ${places.runDir}: the status shown${since} may be stale\n`,
  );
}

async function writtenAt(places: Places, { metadata }: ReportedInstance): Promise<number> {
  const path = `${places.stateDir}/status/${metadata.namespace}/${metadata.name}.json`;
  return (await statIfThere(path))?.mtimeMs ?? 0;
}
