import type { Command } from 'commander';
import { nearestOf } from '../../api/nearest.ts';
import type { HypemanError } from '../../errors.ts';
import { PROGRAM, addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { usageFault } from '../faults.ts';
import { addHostOptions, addSourceOptions, runOptionsOf } from '../run-flags.ts';
import type { RunFlags } from '../run-flags.ts';
import { addUpstreamOptions } from '../upstream-flags.ts';

export function addRun(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'run',
    isDefault: true,
    summary: 'Run the controller (what happens without a command).',
    details:
      'Brings the virtual machines of this host to what the files in the watched directories declare, and ' +
      'keeps them so. Machines run on when the controller ends.',
    examples: [
      ['hypeman-controller --watch ./instances', 'until interrupted'],
      ['hypeman-controller --watch ./instances --once', 'to rest, for CI: 0 all ready, 1 something is not'],
    ],
  });
  addSourceOptions(command.usage('--watch DIR [options]').allowExcessArguments());
  addHostOptions(command);
  addUpstreamOptions(command);
  command.action(async (flags: RunFlags) => {
    const [word] = command.args;
    if (word !== undefined) throw noCommand(word, program);
    context.setExitCode(await context.run(runOptionsOf(flags, placesOf(command))));
  });
}

/** Without a command's name every word is taken for one of `run`: a misspelt command ends here. */
function noCommand(word: string, program: Command): HypemanError {
  const names = program.commands.map((command) => command.name());
  const nearest = nearestOf(word, names);
  return usageFault(
    `there is no command "${word}": ${nearest === undefined ? `see ${PROGRAM} --help` : `did you mean ${nearest}?`}`,
  );
}
