import type { Command } from 'commander';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { describeText } from '../describe-text.ts';
import { findInstance, warnIfStale } from '../instances.ts';

export function addDescribe(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'describe <names...>',
    summary: 'Tell everything about an instance, with conditions and events.',
    examples: [['hypeman-controller describe web', 'why is it not ready?']],
  })
    .addOption(namespaceOption())
    .action(async (names: string[], { namespace }: { readonly namespace: string }, command: Command) => {
      const places = placesOf(command);
      const found = [];
      for (const name of names) found.push(await findInstance(places, namespace, name));
      await warnIfStale(context, places, found);
      context.stdout.write(found.map((instance) => describeText(instance, context.now())).join('\n\n'));
    });
}
