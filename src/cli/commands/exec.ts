import type { Command } from 'commander';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { runExec } from '../exec-client.ts';
import type { Fleet } from '../fleet.ts';
import { addAgentOption, addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { findInstance, instanceKeyOf } from '../instances.ts';
import { inRawMode, sizeOf } from '../terminal.ts';

type ExecOptions = NamespaceFlag & {
  readonly stdin?: true;
  readonly tty?: true;
  readonly workdir?: string;
};

export function addExec(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'exec <name> <command...>',
    summary: 'Run a program in the guest.',
    details:
      'Ends with the exit code of that program: 128+n when signal n ended it, 126 or 127 when it cannot be ' +
      'run or found; and with 1 when the guest cannot be reached.',
    examples: [
      ['hypeman-controller exec web -- cat /etc/os-release', 'one command'],
      ['hypeman-controller exec -it web -- sh', 'a shell'],
      ['tar c src | hypeman-controller exec -i web -- tar x -C /srv', 'a whole directory'],
    ],
  })
    .option('-i, --stdin', 'pass this input on to the program')
    .option('-t, --tty', 'give the program a terminal')
    .option('-w, --workdir <directory>', 'the directory to run it in');
  addFleetOptions(command);
  addAgentOption(command);
  command.action(async (name: string, argv: string[], options: ExecOptions) => {
    context.setExitCode(await exec(context, await openFleet(context, command), { name, argv }, options));
  });
}

async function exec(
  context: CliContext,
  fleet: Fleet,
  { name, argv }: { readonly name: string; readonly argv: readonly string[] },
  options: ExecOptions,
): Promise<number> {
  const instance = await findInstance(fleet, name, options.namespace);
  const hasTerminal = options.tty === true && context.stdin.isTTY === true;
  if (options.tty === true && !hasTerminal)
    context.stderr.write('warning: -t is left out: the input is not a terminal\n');
  const connection = await fleet.controllerOf(instance).openExec(instanceKeyOf(instance));
  const { stdin, stdout, stderr, signal } = context;
  const streams = { stdout, stderr, signal, ...(options.stdin === true ? { stdin } : {}) };
  const words = { argv, ...(options.workdir === undefined ? {} : { workdir: options.workdir }) };
  if (!hasTerminal) return runExec(connection, { ...words, env: {} }, streams);
  const { TERM: term } = context.env;
  const request = { ...words, env: term === undefined ? {} : { TERM: term }, terminal: sizeOf(stdout) };
  return inRawMode(stdin, () => runExec(connection, request, streams));
}
