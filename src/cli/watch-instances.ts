import type { ReportedInstance } from '../api/reported.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { readReported, watchReported } from './reported.ts';
import type { CliContext, Places } from './context.ts';
import { openBell } from './bell.ts';
import { instanceKeyOf } from './instances.ts';
import { instancesText, rowsOf } from './render.ts';
import type { Rendering } from './render.ts';
import { tableText, widthsOf } from './table.ts';

/** Prints all instances, then each one again whenever it changed, until the signal. */
export async function watchInstances(
  context: CliContext,
  places: Places,
  isWanted: (instance: ReportedInstance) => boolean,
  rendering: Rendering,
): Promise<void> {
  const known = new Map<InstanceKey, { readonly text: string; readonly instance: ReportedInstance }>();
  const printer = printerFor(context, rendering);
  const show = async (): Promise<void> => {
    const seen = (await readReported(places.stateDir)).filter(isWanted);
    const changed = seen.filter((instance) => {
      const text = JSON.stringify(instance);
      const isNew = known.get(instanceKeyOf(instance))?.text !== text;
      known.set(instanceKeyOf(instance), { text, instance });
      return isNew;
    });
    printer(changed);
    const keys = new Set(seen.map(instanceKeyOf));
    const gone = [...known].filter(([key]) => !keys.has(key));
    for (const [key] of gone) known.delete(key);
    printer(
      gone.map(([, { instance }]) => instance),
      true,
    );
  };
  await whileWatching(places, context.signal, show);
}

const LOOK_ANYWAY_MS = 1000;

/** Calls `look` after each change, one at a time, until the signal. */
export async function whileWatching(
  places: Places,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<void> {
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

type Printer = (instances: readonly ReportedInstance[], gone?: boolean) => void;

/** Tables keep their columns from one change to the next and print their titles once. */
function printerFor(context: CliContext, rendering: Rendering): Printer {
  let widths: readonly number[] = [];
  let headers = rendering.headers;
  const isTable = rendering.format === 'table' || rendering.format === 'wide';
  return (instances, gone = false) => {
    if (instances.length === 0) return;
    const now = context.now();
    if (isTable) {
      const rows = rowsOf(instances, { ...rendering, headers, now, gone });
      widths = widthsOf(rows, widths);
      headers = false;
      context.stdout.write(tableText(rows, widths));
      return;
    }
    const separator = rendering.format === 'yaml' ? '---\n' : '';
    for (const instance of instances)
      context.stdout.write(separator + instancesText([instance], { ...rendering, single: true, now }));
  };
}
