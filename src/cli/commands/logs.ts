import { StringDecoder } from 'node:string_decoder';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { ReportedInstance } from '../../api/reported.ts';
import { HypemanError } from '../../errors.ts';
import { statIfThere } from '../../host/files.ts';
import { followFile, tailOf } from '../../host/followed-file.ts';
import { instanceId } from '../../machine/ids.ts';
import { pathsFor } from '../../machine/paths.ts';
import type { InstancePaths } from '../../machine/paths.ts';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { parseWhole } from '../durations.ts';
import { findInstance } from '../instances.ts';
import { terminalFilter } from '../printable.ts';
import { drained } from '../../serve/drained.ts';

type LogOptions = {
  readonly namespace: string;
  readonly follow?: true;
  readonly tail?: number;
  readonly source: 'app' | 'vmm';
};

export function addLogs(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'logs <name>',
    summary: "Print the guest's console, or what its hypervisor said.",
    details:
      'On a terminal, escape sequences other than colours are shown and not obeyed: a guest chooses them.',
    examples: [
      ['hypeman-controller logs web', 'what the guest printed'],
      ['hypeman-controller logs web -f --tail 20', 'the last lines, and what follows'],
      ['hypeman-controller logs web --source vmm', 'when the machine itself does not start'],
    ],
  })
    .addOption(namespaceOption())
    .option('-f, --follow', 'go on with what follows, over restarts, until the instance is removed')
    .option('--tail <lines>', 'only the last lines', parseWhole(0))
    .addOption(
      new Option('--source <source>', 'the guest or its hypervisor').choices(['app', 'vmm']).default('app'),
    )
    .action(async (name: string, options: LogOptions, command: Command) => {
      const places = placesOf(command);
      const instance = await findInstance(places, options.namespace, name);
      await printLog(context, places, instance, options);
    });
}

async function printLog(
  context: CliContext,
  places: Places,
  instance: ReportedInstance,
  options: LogOptions,
): Promise<void> {
  const paths = pathsOf(places, instance);
  const path = options.source === 'vmm' ? paths.vmmLog : paths.consoleLog;
  const follow = options.follow === true;
  if (!follow && (await statIfThere(path)) === undefined) throw noLog(instance);
  const write = writerFor(context);
  const tail = options.tail === undefined ? undefined : await tailOf(path, options.tail);
  if (tail !== undefined) await write(tail.text);
  const goOn = async (): Promise<boolean> => follow && (await statIfThere(paths.directory)) !== undefined;
  const rest = followFile(path, { from: tail?.end ?? 0, signal: context.signal, goOn });
  for await (const chunk of rest) if (!(await write(chunk))) return;
}

/**
 * Bytes as they are into a pipe or a file; what a guest may not do to a terminal is taken out there.
 * False when the reader has gone.
 */
function writerFor({ stdout, signal }: CliContext): (chunk: Buffer) => Promise<boolean> {
  const decoder = new StringDecoder('utf8');
  const filter = terminalFilter();
  return async (chunk) => {
    const isTaken = stdout.write(stdout.isTTY === true ? filter(decoder.write(chunk)) : chunk);
    if (!isTaken) await drained(stdout, signal);
    return stdout.writable;
  };
}

function pathsOf({ stateDir, runDir }: Places, instance: ReportedInstance): InstancePaths {
  const { id } = instance.status;
  if (id === undefined) throw noLog(instance);
  return pathsFor({ state: stateDir, run: runDir }, instanceId(id));
}

function noLog({ metadata }: ReportedInstance): HypemanError {
  return new HypemanError(
    'transient',
    'NoLog',
    `instance "${metadata.name}" has not been started yet: there is no log`,
  );
}
