import { Option } from 'commander';
import type { Command } from 'commander';
import type { ReportedInstance } from '../../api/reported.ts';
import { keyOf } from '../../machine/ids.ts';
import { readReported } from '../reported.ts';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { EXIT, lineOf, notFound, usageFault } from '../faults.ts';
import { bareName, instanceKeyOf, warnIfStale } from '../instances.ts';
import { FORMATS, instancesText } from '../render.ts';
import type { Rendering } from '../render.ts';
import { parseSelector } from '../selectors.ts';
import { watchInstances } from '../watch-instances.ts';

type GetOptions = {
  readonly namespace: string;
  readonly allNamespaces?: true;
  readonly output?: (typeof FORMATS)[number];
  readonly selector?: string;
  readonly watch?: true;
  readonly headers: boolean;
};

export function addGet(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'get [names...]',
    summary: 'List instances and what became of them.',
    examples: [
      ['hypeman-controller get', 'all instances of the default namespace'],
      ['hypeman-controller get web -o yaml', 'one, with spec, status and events'],
      ['hypeman-controller get -A -l app=web -w', 'follow some, in every namespace'],
      ["hypeman-controller get -o json | jq '.items[].status.network.ip'", 'for scripts'],
    ],
  })
    .addOption(namespaceOption())
    .option('-A, --all-namespaces', 'in every namespace')
    .addOption(new Option('-o, --output <format>', 'another form than the table').choices(FORMATS))
    .option('-l, --selector <selector>', 'only those with these labels: app=web,tier!=db,env in (a,b)')
    .option('-w, --watch', 'print every change until interrupted')
    .option('--no-headers', 'no line of column titles')
    .action(async (names: string[], options: GetOptions, command: Command) => {
      await get(context, placesOf(command), names, options);
    });
}

async function get(
  context: CliContext,
  places: Places,
  names: readonly string[],
  options: GetOptions,
): Promise<void> {
  const { allNamespaces = false, selector } = options;
  if (names.length > 0 && allNamespaces)
    throw usageFault('a name is looked up in one namespace: not with -A');
  const hasLabels = selector === undefined ? () => true : parseSelector(selector);
  const wanted = new Set(names.map((name) => keyOf(options.namespace, bareName(name))));
  const isWanted = (instance: ReportedInstance): boolean =>
    (wanted.size === 0 || wanted.has(instanceKeyOf(instance))) &&
    (allNamespaces || instance.metadata.namespace === options.namespace) &&
    hasLabels(instance.metadata.labels ?? {});
  const rendering: Rendering = {
    format: options.output ?? 'table',
    namespaces: allNamespaces,
    headers: options.headers,
    single: wanted.size === 1,
    now: context.now(),
  };
  const found = (await readReported(places.stateDir)).filter(isWanted);
  await warnIfStale(context, places, found);
  if (options.watch === true) {
    await watchInstances(context, places, isWanted, rendering);
    return;
  }
  print(context, found, rendering, options);
  complain(context, missingOf(names, found, options.namespace));
}

function print(
  context: CliContext,
  found: readonly ReportedInstance[],
  rendering: Rendering,
  { namespace }: GetOptions,
): void {
  const nothingToShow = found.length === 0 && rendering.single;
  if (!nothingToShow) context.stdout.write(instancesText(found, rendering));
  if (found.length > 0 || rendering.single || rendering.format === 'json' || rendering.format === 'yaml')
    return;
  context.stderr.write(`No instances found${rendering.namespaces ? '' : ` in namespace ${namespace}`}.\n`);
}

function missingOf(
  names: readonly string[],
  found: readonly ReportedInstance[],
  namespace: string,
): readonly string[] {
  const there = new Set(found.map((instance) => instance.metadata.name));
  return [...new Set(names.map(bareName))]
    .filter((name) => !there.has(name))
    .map((name) => lineOf(notFound(namespace, name)));
}

function complain(context: CliContext, lines: readonly string[]): void {
  for (const line of lines) context.stderr.write(`${line}\n`);
  if (lines.length > 0) context.setExitCode(EXIT.failed);
}
