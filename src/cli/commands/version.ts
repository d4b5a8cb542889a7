import { Option } from 'commander';
import type { Command } from 'commander';
import { addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { controllerAt } from '../controller-client.ts';
import { yamlText } from '../render.ts';

export function addVersion(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'version',
    summary: 'Print the version of this program, and of the controller that runs.',
    examples: [['hypeman-controller version -o json', 'for scripts']],
  })
    .addOption(new Option('-o, --output <format>', 'another form').choices(['json', 'yaml']))
    .action(async ({ output }: { readonly output?: 'json' | 'yaml' }, command: Command) => {
      const ping = await controllerAt(controllerSocketOf(placesOf(command))).ping();
      const controller = typeof ping === 'object' ? ping : undefined;
      const facts = { client: { version: context.version, node: process.version }, controller };
      if (output === 'json') context.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
      else if (output === 'yaml') context.stdout.write(yamlText(facts));
      else {
        context.stdout.write(`${program.name()} ${context.version} (Node.js ${process.version})\n`);
        if (controller !== undefined)
          context.stdout.write(
            `controller ${controller.version}, pid ${controller.pid}, since ${controller.since}\n`,
          );
      }
    });
}
