import { Option } from 'commander';
import type { Command } from 'commander';
import type { ReportedInstance } from '../../api/reported.ts';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT, lineOf, notFound, usageFault } from '../faults.ts';
import type { Fleet, Scope } from '../fleet.ts';
import { addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { bareName } from '../instances.ts';
import { FORMATS, instancesText } from '../render.ts';
import type { Rendering } from '../render.ts';
import { parseSelector } from '../selectors.ts';
import { getVolumes, meansVolumes } from './get-volumes.ts';
import type { VolumesAsked } from './get-volumes.ts';
import { watchInstances } from '../watch-instances.ts';

type GetOptions = NamespaceFlag & {
  readonly allNamespaces?: true;
  readonly output?: (typeof FORMATS)[number];
  readonly selector?: string;
  readonly watch?: true;
  readonly headers: boolean;
};

export function addGet(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'get [names...]',
    summary: 'List instances, or volumes, and what became of them.',
    examples: [
      ['hypeman-controller get', 'all instances of the default namespace'],
      ['hypeman-controller get web -o yaml', 'one, with spec, status and events'],
      ['hypeman-controller get -A -l app=web -w', 'follow some, in every namespace'],
      ['hypeman-controller get volumes -A -o wide', 'the disks that outlive instances, and who uses them'],
      ["hypeman-controller get -o json | jq '.items[].status.network.ip'", 'for scripts'],
    ],
  })
    .option('-A, --all-namespaces', 'in every namespace')
    .addOption(new Option('-o, --output <format>', 'another form than the table').choices(FORMATS))
    .option('-l, --selector <selector>', 'only those with these labels: app=web,tier!=db,env in (a,b)')
    .option('-w, --watch', 'print every change until interrupted')
    .option('--no-headers', 'no line of column titles');
  addFleetOptions(command);
  command.action(async (names: string[], options: GetOptions) => {
    const fleet = await openFleet(context, command);
    await (meansVolumes(names)
      ? getVolumes(context, fleet, volumesAsked(fleet, names.slice(1), options))
      : get(context, fleet, names, options));
  });
}

function volumesAsked(fleet: Fleet, names: readonly string[], options: GetOptions): VolumesAsked {
  const { allNamespaces, namespace = fleet.namespace, output, headers } = options;
  const scope = allNamespaces === true ? {} : { namespace };
  return { names, format: output ?? 'table', headers, ...scope };
}

async function get(
  context: CliContext,
  fleet: Fleet,
  names: readonly string[],
  options: GetOptions,
): Promise<void> {
  const { allNamespaces = false, selector, namespace = fleet.namespace } = options;
  if (names.length > 0 && allNamespaces)
    throw usageFault('a name is looked up in one namespace: not with -A');
  const wanted = new Set(names.map(bareName));
  const scope = scopeOf(wanted, allNamespaces ? undefined : namespace);
  const isWanted = wishFor(wanted, selector);
  const rendering: Rendering = {
    format: options.output ?? 'table',
    namespaces: allNamespaces,
    headers: options.headers,
    single: wanted.size === 1,
    events: fleet.documentsHaveEvents,
    now: context.now(),
  };
  const found = (await fleet.list(scope)).filter(isWanted);
  await fleet.warnIfStale(found);
  if (options.watch === true) {
    await watchInstances(context, fleet, { scope, isWanted }, rendering);
    return;
  }
  print(context, found, rendering, namespace);
  complain(context, missingOf(names, found, namespace));
}

/** As narrow as it can be: rights in a cluster may end there. */
function scopeOf(names: ReadonlySet<string>, namespace: string | undefined): Scope {
  const [name] = names;
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(names.size === 1 && name !== undefined ? { name } : {}),
  };
}

function wishFor(
  names: ReadonlySet<string>,
  selector: string | undefined,
): (instance: ReportedInstance) => boolean {
  const hasLabels = selector === undefined ? () => true : parseSelector(selector);
  return ({ metadata }) => (names.size === 0 || names.has(metadata.name)) && hasLabels(metadata.labels ?? {});
}

function print(
  context: CliContext,
  found: readonly ReportedInstance[],
  rendering: Rendering,
  namespace: string,
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
