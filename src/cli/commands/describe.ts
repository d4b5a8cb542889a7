import type { Command } from 'commander';
import { addCommand, namespaceOption, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import { describeText } from '../describe-text.ts';
import { findInstance, instanceKeyOf, isMediated, warnIfStale } from '../instances.ts';
import { liveEgressOf } from '../live-egress.ts';

export function addDescribe(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'describe <names...>',
    summary: 'Tell everything about an instance, with its credentials, conditions and events.',
    examples: [['hypeman-controller describe web', 'why is it not ready?']],
  })
    .addOption(namespaceOption())
    .action(async (names: string[], { namespace }: { readonly namespace: string }, command: Command) => {
      const places = placesOf(command);
      const found = [];
      for (const name of names) found.push(await findInstance(places, namespace, name));
      await warnIfStale(context, places, found);
      const client = controllerAt(controllerSocketOf(places));
      const texts = [];
      for (const instance of found) {
        const egress = isMediated(instance) ? await liveEgressOf(client, instanceKeyOf(instance)) : undefined;
        texts.push(describeText(instance, context.now(), egress));
      }
      context.stdout.write(texts.join('\n\n'));
    });
}
