import type { Command } from 'commander';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext, Places } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import { runExec } from '../exec-client.ts';
import { findInstance, instanceKeyOf } from '../instances.ts';
import { inRawMode, sizeOf } from '../terminal.ts';

type ExecOptions = {
  readonly namespace: string;
  readonly stdin?: true;
  readonly tty?: true;
  readonly workdir?: string;
};

export function addExec(program: Command, context: CliContext): void {
  addCommand(program, {
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
    .addOption(namespaceOption())
    .option('-i, --stdin', 'pass this input on to the program')
    .option('-t, --tty', 'give the program a terminal')
    .option('-w, --workdir <directory>', 'the directory to run it in')
    .action(async (name: string, argv: string[], options: ExecOptions, command: Command) => {
      context.setExitCode(await exec(context, placesOf(command), { name, argv }, options));
    });
}

async function exec(
  context: CliContext,
  places: Places,
  { name, argv }: { readonly name: string; readonly argv: readonly string[] },
  options: ExecOptions,
): Promise<number> {
  const key = instanceKeyOf(await findInstance(places, options.namespace, name));
  const hasTerminal = options.tty === true && context.stdin.isTTY === true;
  if (options.tty === true && !hasTerminal)
    context.stderr.write('warning: -t is left out: the input is not a terminal\n');
  const connection = await controllerAt(controllerSocketOf(places)).openExec(key);
  const { stdin, stdout, stderr, signal } = context;
  const streams = { stdout, stderr, signal, ...(options.stdin === true ? { stdin } : {}) };
  const words = { argv, ...(options.workdir === undefined ? {} : { workdir: options.workdir }) };
  if (!hasTerminal) return runExec(connection, { ...words, env: {} }, streams);
  const { TERM: term } = context.env;
  const request = { ...words, env: term === undefined ? {} : { TERM: term }, terminal: sizeOf(stdout) };
  return inRawMode(stdin, () => runExec(connection, request, streams));
}
