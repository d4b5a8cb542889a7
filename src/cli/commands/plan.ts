import type { Command } from 'commander';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { plannedText } from '../plan-text.ts';

export function addPlan(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'plan <files...>',
    summary: 'Tell what files would do on this host, and why. Changes nothing.',
    examples: [
      ['hypeman-controller plan instances/web.yaml', 'before you save it into the watched directory'],
    ],
  }).action(async (files: string[], _options: object, command: Command) => {
    const planned = await context.planFiles(files, placesOf(command));
    context.stdout.write(planned.map(plannedText).join('\n'));
  });
}
