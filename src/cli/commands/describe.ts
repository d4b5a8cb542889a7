import type { Command } from 'commander';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { addAgentOption, addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { describeText } from '../describe-text.ts';
import { findInstance, instanceKeyOf, isMediated } from '../instances.ts';
import { liveEgressOf } from '../live-egress.ts';

export function addDescribe(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'describe <names...>',
    summary: 'Tell everything about an instance, with its credentials, conditions and events.',
    examples: [['hypeman-controller describe web', 'why is it not ready?']],
  });
  addFleetOptions(command);
  addAgentOption(command);
  command.action(async (names: string[], { namespace }: NamespaceFlag) => {
    const fleet = await openFleet(context, command);
    const found = [];
    for (const name of names) found.push(await fleet.withEvents(await findInstance(fleet, name, namespace)));
    await fleet.warnIfStale(found);
    const texts = [];
    for (const instance of found) {
      const client = fleet.controllerOf(instance);
      const egress = isMediated(instance) ? await liveEgressOf(client, instanceKeyOf(instance)) : undefined;
      texts.push(describeText(instance, context.now(), egress));
    }
    context.stdout.write(texts.join('\n\n'));
  });
}
