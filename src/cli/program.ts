import { Command, CommanderError, Option } from 'commander';
import { HypemanError } from '../errors.ts';
import { PLUGIN, PROGRAM } from './command.ts';
import { addAtNode } from './commands/at-node.ts';
import { addCompletion } from './commands/completion.ts';
import { addConvert } from './commands/convert.ts';
import { addCp } from './commands/cp.ts';
import { addDescribe } from './commands/describe.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEgress } from './commands/egress.ts';
import { addExec } from './commands/exec.ts';
import { addGet } from './commands/get.ts';
import { addLogs } from './commands/logs.ts';
import { addPlacement } from './commands/placement.ts';
import { addPlan } from './commands/plan.ts';
import { addRun } from './commands/run.ts';
import { addSetup } from './commands/setup.ts';
import { addValidate } from './commands/validate.ts';
import { addVersion } from './commands/version.ts';
import { addWait } from './commands/wait.ts';
import type { CliContext } from './context.ts';
import { EXIT, lineOf } from './faults.ts';

const STATE_DIR = '/var/lib/hypeman';
const RUN_DIR = '/run/hypeman';

const COMMANDS = [
  ...[addRun, addGet, addDescribe, addLogs, addEgress, addExec, addCp, addWait, addValidate],
  ...[addPlan, addConvert, addDoctor, addSetup, addPlacement, addVersion, addCompletion, addAtNode],
];
/** What nobody far from the host can do: the kubectl plugin is without these. */
const ON_THE_HOST = new Set([addRun, addPlan, addDoctor, addSetup, addPlacement, addCompletion, addAtNode]);

/** The whole command line. Knows nothing of the process: all of that comes with the context. */
export function buildProgram(context: CliContext): Command {
  const { stdout, stderr, env } = context;
  const isPlugin = context.calledAs === PLUGIN;
  const program = new Command(isPlugin ? 'kubectl hypeman' : PROGRAM)
    .description(
      'The declarative way to run microVMs: an Instance in YAML is a running VM, and every edit converges.',
    )
    .usage('[command] [options]')
    .version(context.version, '-V, --version', 'print the version')
    .addOption(
      new Option('--state-dir <dir>', 'what survives a reboot (HYPEMAN_STATE_DIR)')
        .default(env.HYPEMAN_STATE_DIR ?? STATE_DIR)
        .hideHelp(isPlugin),
    )
    .addOption(
      new Option('--run-dir <dir>', 'sockets; a short path (HYPEMAN_RUN_DIR)')
        .default(env.HYPEMAN_RUN_DIR ?? RUN_DIR)
        .hideHelp(isPlugin),
    )
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 100,
      getErrHelpWidth: () => stderr.columns ?? 100,
    })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  for (const add of COMMANDS) if (!isPlugin || !ON_THE_HOST.has(add)) add(program, context);
  return program;
}

/**
 * Does what the words of a command line say (without the program's own) and sets the exit code: 0 done,
 * 1 it failed or is not so, 2 the words cannot be meant. Prints what went wrong as one line on stderr.
 */
export async function runProgram(context: CliContext, words: readonly string[]): Promise<void> {
  try {
    await buildProgram(context).parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed it already; help and version end here too, with 0.
      if (error.exitCode !== 0) context.setExitCode(EXIT.usage);
      return;
    }
    context.stderr.write(`${lineOf(error)}\n`);
    const isUsage = error instanceof HypemanError && error.reason === 'Usage';
    context.setExitCode(isUsage ? EXIT.usage : EXIT.failed);
  }
}
