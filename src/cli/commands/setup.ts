import { resolve } from 'node:path';
import type { Command } from 'commander';
import { findInit } from '../../guest/build-init.ts';
import { installKernel } from '../../guest/kernel.ts';
import { toolsMissing } from '../../host/tools.ts';
import { SHARED_GID } from '../../machine/owner.ts';
import { ensureDirectory } from '../../host/files.ts';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { aptPackages } from '../packages.ts';
import { setUp } from '../set-up.ts';

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
    .action(async ({ cacheDir }: { readonly cacheDir?: string }, command: Command) => {
      const { stateDir, runDir } = placesOf(command);
      const { signal } = context;
      // Machines run as users of their own and have to pass through it to what they share.
      await ensureDirectory(stateDir, 0o711);
      await setUp({
        packages: aptPackages(process.getuid?.() ?? -1, signal),
        missingTools: toolsMissing,
        prepareInit: findInit,
        prepareKernel: (report) =>
          installKernel({
            roots: { state: stateDir, run: runDir },
            sharedGid: SHARED_GID,
            report,
            signal,
            ...(cacheDir === undefined ? {} : { cacheDir: resolve(cacheDir) }),
          }),
        say: (line) => {
          context.stdout.write(`${line}\n`);
        },
      });
    });
}
