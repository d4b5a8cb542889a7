import type { Command } from 'commander';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';

export function addSetup(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'setup',
    summary: 'Make this host able to run instances.',
    details:
      'Installs the Debian packages that are missing, and unpacks a Debian cloud kernel for the guests into ' +
      'the state directory; that kernel is not installed on the host. Does nothing where all is there.',
    examples: [['sudo hypeman-controller setup', 'once on a new host, and after an upgrade']],
  })
    .option('--cache-dir <dir>', 'keep downloaded packages here for the next time')
    .action(async (options: { readonly cacheDir?: string }, command: Command) => {
      const { setUpThisHost } = await import('../set-up-this-host.ts');
      await setUpThisHost(context, placesOf(command), options);
    });
}
