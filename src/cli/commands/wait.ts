import { Option } from 'commander';
import type { Command } from 'commander';
import type { ReportedInstance } from '../../api/reported.ts';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { parseDuration } from '../durations.ts';
import { EXIT } from '../faults.ts';
import type { Fleet } from '../fleet.ts';
import { addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { NAME_PREFIX, bareName, conditionOf } from '../instances.ts';
import { printable } from '../printable.ts';
import { parseFor } from '../wait-for.ts';
import type { Wish } from '../wait-for.ts';

type WaitOptions = NamespaceFlag & { readonly for: string; readonly timeout: number };

const DEFAULT_TIMEOUT_MS = 30_000;

export function addWait(program: Command, context: CliContext): void {
  const command = addCommand(program, {
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
    .option(
      '--for <what>',
      'condition=TYPE[=STATUS], state=STATE, jsonpath={PATH}[=VALUE], create, delete',
      'condition=Ready',
    )
    .addOption(
      new Option('--timeout <duration>', 'how long: 30s, 5m; 0 looks once')
        .argParser(parseDuration)
        .default(DEFAULT_TIMEOUT_MS, '30s'),
    );
  addFleetOptions(command);
  command.action(async (names: string[], options: WaitOptions) => {
    const wish = parseFor(options.for);
    const fleet = await openFleet(context, command);
    const outcomes = await Promise.all(names.map((name) => waitFor(context, fleet, { name, wish, options })));
    if (outcomes.includes(false))
      context.setExitCode(context.signal.aborted ? EXIT.interrupted : EXIT.failed);
  });
}

type Wait = { readonly name: string; readonly wish: Wish; readonly options: WaitOptions };

/** Prints how it ended; false when the time was over first, or somebody lost patience. */
async function waitFor(context: CliContext, fleet: Fleet, wait: Wait): Promise<boolean> {
  const { wish, options } = wait;
  const name = bareName(wait.name);
  const scope = { namespace: options.namespace ?? fleet.namespace, name };
  const end = new AbortController();
  const seen: { instance?: ReportedInstance; isMet: boolean } = { isMet: false };
  const look = ([found]: readonly ReportedInstance[]): void => {
    if (seen.isMet) return;
    delete seen.instance;
    if (found !== undefined) seen.instance = found;
    seen.isMet = wish.holds(found);
    if (seen.isMet) end.abort();
  };
  look(await fleet.list(scope));
  const timer = setTimeout(() => {
    end.abort();
  }, options.timeout);
  try {
    const over = AbortSignal.any([end.signal, context.signal]);
    if (!seen.isMet && options.timeout > 0) await fleet.follow(scope, over, look);
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
