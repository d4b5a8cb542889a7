import type { ReportedInstance } from '../api/reported.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { CliContext } from './context.ts';
import type { Fleet, Scope } from './fleet.ts';
import { instanceKeyOf } from './instances.ts';
import { instancesText, rowsOf } from './render.ts';
import type { Rendering } from './render.ts';
import { tableText, widthsOf } from './table.ts';

/** Prints all instances that are wanted, then each one again whenever it changed, until the signal. */
export async function watchInstances(
  context: CliContext,
  fleet: Fleet,
  { scope, isWanted }: { readonly scope: Scope; readonly isWanted: (instance: ReportedInstance) => boolean },
  rendering: Rendering,
): Promise<void> {
  const known = new Map<InstanceKey, { readonly text: string; readonly instance: ReportedInstance }>();
  const printer = printerFor(context, rendering);
  await fleet.follow(scope, context.signal, (all) => {
    const seen = all.filter(isWanted);
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
  });
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
