import type { ReportedInstance } from '../api/reported.ts';
import { statIfThere } from '../host/files.ts';
import { instanceId } from '../machine/ids.ts';
import { openBell } from './bell.ts';
import type { CliContext, Places } from './context.ts';
import { controllerSocketOf } from './context.ts';
import { controllerAt } from './controller-client.ts';
import { ageText } from './durations.ts';
import type { Fleet, Scope } from './fleet.ts';
import { hostLog, noLog } from './host-log.ts';
import { instanceKeyOf } from './instances.ts';
import { readReported, watchReported } from './reported.ts';
import { readVolumes } from './volumes-text.ts';

/** The instances of the controller of this host, by what it wrote into its state directory. */
export function hostFleet(context: CliContext, places: Places): Fleet {
  const client = controllerAt(controllerSocketOf(places));
  const list: Fleet['list'] = async (scope) =>
    (await readReported(places.stateDir)).filter((instance) => isIn(scope, instance));
  return {
    namespace: 'default',
    documentsHaveEvents: true,
    list,
    find: async (key) => (await list({})).find((instance) => instanceKeyOf(instance) === key),
    withEvents: (instance) => Promise.resolve(instance),
    follow: async (scope, signal, look) => {
      await whileWatching(places, signal, async () => {
        look(await list(scope));
      });
    },
    controllerOf: () => client,
    log: ({ status }, asked, signal) => {
      if (status.id === undefined) throw noLog();
      return hostLog(places, instanceId(status.id), asked, signal);
    },
    volumes: () => readVolumes(places.stateDir),
    warnIfStale: (instances) => warnIfStale(context, places, instances),
  };
}

function isIn({ namespace, name }: Scope, { metadata }: ReportedInstance): boolean {
  if (namespace !== undefined && metadata.namespace !== namespace) return false;
  return name === undefined || metadata.name === name;
}

const LOOK_ANYWAY_MS = 1000;

/** Calls `look` after each change, one at a time, until the signal. */
async function whileWatching(places: Places, signal: AbortSignal, look: () => Promise<void>): Promise<void> {
  const bell = openBell();
  const watch = watchReported(places.stateDir, bell.ring);
  // A change that no event told of (a file system without them) is seen all the same.
  const clock = setInterval(bell.ring, LOOK_ANYWAY_MS);
  signal.addEventListener('abort', bell.ring);
  try {
    while (!signal.aborted) {
      await look();
      await bell.rung();
    }
  } finally {
    clearInterval(clock);
    signal.removeEventListener('abort', bell.ring);
    watch.close();
  }
}

/**
 * A status is what a controller last wrote. When none runs, that is said on stderr, with the time of the
 * last word, and the command goes on.
 */
async function warnIfStale(
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
