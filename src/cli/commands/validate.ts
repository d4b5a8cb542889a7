import type { Command } from 'commander';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../faults.ts';
import { printable } from '../printable.ts';

export function addValidate(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'validate <files...>',
    summary: 'Check declarations without touching anything.',
    details: 'Every problem of every file at once, as file:line:column. Exit code 1 when there is one.',
    examples: [
      ['hypeman-controller validate instances/', 'a whole directory, as --watch would read it'],
      ['hypeman-controller validate web.yaml db.yaml', 'some files'],
    ],
  }).action(async (files: string[]) => {
    const { validateFiles } = await import('../validate-files.ts');
    const { valid, warnings, problems } = await validateFiles(files);
    for (const { place, subject } of valid) context.stdout.write(`${place}: ${subject} is valid\n`);
    for (const warning of warnings) context.stderr.write(`warning: ${printable(warning)}\n`);
    for (const problem of problems.flatMap((text) => text.split('\n')))
      context.stderr.write(`error: ${printable(problem)}\n`);
    if (problems.length > 0) context.setExitCode(EXIT.failed);
  });
}
