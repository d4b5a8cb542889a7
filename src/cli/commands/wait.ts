import { Option } from 'commander';
import type { Command } from 'commander';
import type { ReportedInstance } from '../../api/reported.ts';
import { keyOf } from '../../machine/ids.ts';
import { readReported } from '../reported.ts';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { parseDuration } from '../durations.ts';
import { EXIT } from '../faults.ts';
import { NAME_PREFIX, bareName, conditionOf, instanceKeyOf } from '../instances.ts';
import { printable } from '../printable.ts';
import { parseFor } from '../wait-for.ts';
import type { Wish } from '../wait-for.ts';
import { whileWatching } from '../watch-instances.ts';

type WaitOptions = { readonly namespace: string; readonly for: string; readonly timeout: number };

const DEFAULT_TIMEOUT_MS = 30_000;

export function addWait(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'wait <names...>',
    summary: 'Wait until instances are as you want them.',
    details:
      'Exit code 0 when all are, 1 when the time is over. An instance that is not there yet is waited for: ' +
      'a file that was just written takes a moment to be seen.',
    examples: [
      ['hypeman-controller wait web --for=condition=Ready --timeout=2m', 'until it works'],
      ['hypeman-controller wait web --for=state=Stopped', 'until it stopped'],
      ["hypeman-controller wait web --for=jsonpath='{.status.exitCode}'=0", 'until its program succeeded'],
      ['hypeman-controller wait web db --for=delete', 'until both are gone without a trace'],
    ],
  })
    .addOption(namespaceOption())
    .option(
      '--for <what>',
      'condition=TYPE[=STATUS], state=STATE, jsonpath={PATH}[=VALUE], create, delete',
      'condition=Ready',
    )
    .addOption(
      new Option('--timeout <duration>', 'how long: 30s, 5m; 0 looks once')
        .argParser(parseDuration)
        .default(DEFAULT_TIMEOUT_MS, '30s'),
    )
    .action(async (names: string[], options: WaitOptions, command: Command) => {
      const wish = parseFor(options.for);
      const waits = names.map((name) => waitFor(context, placesOf(command), { name, wish, options }));
      const outcomes = await Promise.all(waits);
      if (outcomes.includes(false))
        context.setExitCode(context.signal.aborted ? EXIT.interrupted : EXIT.failed);
    });
}

type Wait = { readonly name: string; readonly wish: Wish; readonly options: WaitOptions };

/** Prints how it ended; false when the time was over first, or somebody lost patience. */
async function waitFor(context: CliContext, places: Places, wait: Wait): Promise<boolean> {
  const { wish, options } = wait;
  const name = bareName(wait.name);
  const key = keyOf(options.namespace, name);
  const end = new AbortController();
  const seen: { instance?: ReportedInstance; isMet: boolean } = { isMet: false };
  const look = async (): Promise<void> => {
    const found = (await readReported(places.stateDir)).find((instance) => instanceKeyOf(instance) === key);
    delete seen.instance;
    if (found !== undefined) seen.instance = found;
    seen.isMet = wish.holds(found);
    if (seen.isMet) end.abort();
  };
  await look();
  const timer = setTimeout(() => {
    end.abort();
  }, options.timeout);
  try {
    const over = AbortSignal.any([end.signal, context.signal]);
    if (!seen.isMet && options.timeout > 0) await whileWatching(places, over, look);
  } finally {
    clearTimeout(timer);
  }
  if (seen.isMet)
    context.stdout.write(`${NAME_PREFIX}${name} ${wish.text === 'delete' ? 'deleted' : 'condition met'}\n`);
  else if (!context.signal.aborted)
    context.stderr.write(`error: timed out waiting for ${wish.text} of ${name}: ${whyNot(seen.instance)}\n`);
  return seen.isMet;
}

/** How the instance stood last: what the user would ask next. */
function whyNot(instance: ReportedInstance | undefined): string {
  if (instance === undefined) return 'there is no such instance';
  const ready = conditionOf(instance, 'Ready');
  const state = instance.status.state ?? 'not made yet';
  return ready === undefined ? state : `${state}, ${ready.reason}: ${printable(ready.message)}`;
}
