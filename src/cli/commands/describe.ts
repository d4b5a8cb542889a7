import type { Command } from 'commander';
import { addCommand } from '../command.ts';
import type { ReportedInstance } from '../../api/reported.ts';
import { messageOf } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import type { Fleet } from '../fleet.ts';
import { addAgentOption, addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { describeText } from '../describe-text.ts';
import { findInstance, instanceKeyOf, isMediated } from '../instances.ts';
import { liveEgressOf } from '../live-egress.ts';
import { liveMemoryOf } from '../live-memory.ts';

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
      const memory = await liveMemoryOf(client, instance);
      const neighbours = await neighboursOf(context, fleet, instance);
      const beside = { neighbours, memory, ...(egress === undefined ? {} : { egress }) };
      texts.push(describeText(instance, context.now(), beside));
    }
    context.stdout.write(texts.join('\n\n'));
  });
}

/** Who may read one instance may be refused the list of all: then its forks are not known. */
async function neighboursOf(
  { stderr }: CliContext,
  fleet: Fleet,
  { metadata: { namespace } }: ReportedInstance,
): Promise<readonly ReportedInstance[]> {
  try {
    return await fleet.list({ namespace });
  } catch (error) {
    stderr.write(`warning: its forks are not known: ${messageOf(error)}\n`);
    return [];
  }
}
