import { StringDecoder } from 'node:string_decoder';
import { Option } from 'commander';
import type { Command } from 'commander';
import { drained } from '../../serve/drained.ts';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { parseWhole } from '../durations.ts';
import type { LogAsked } from '../fleet.ts';
import { addAgentOption, addFleetOptions, openFleet } from '../fleet-options.ts';
import type { NamespaceFlag } from '../fleet-options.ts';
import { findInstance } from '../instances.ts';
import { terminalFilter } from '../printable.ts';

type LogFlags = NamespaceFlag & LogAsked;

export function addLogs(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: 'logs <name>',
    summary: "Print the guest's console, or what its hypervisor said.",
    details:
      'On a terminal, escape sequences other than colours are shown and not obeyed: a guest chooses them.',
    examples: [
      ['hypeman-controller logs web', 'what the guest printed'],
      ['hypeman-controller logs web -f --tail 20', 'the last lines, and what follows'],
      ['hypeman-controller logs web --source vmm', 'when the machine itself does not start'],
    ],
  })
    .option('-f, --follow', 'go on with what follows, over restarts, until the instance is removed')
    .option('--tail <lines>', 'only the last lines', parseWhole(0))
    .addOption(
      new Option('--source <source>', 'the guest or its hypervisor').choices(['app', 'vmm']).default('app'),
    );
  addFleetOptions(command);
  addAgentOption(command);
  command.action(async (name: string, { namespace, ...asked }: LogFlags) => {
    const fleet = await openFleet(context, command);
    const instance = await findInstance(fleet, name, namespace);
    const write = writerFor(context);
    for await (const chunk of fleet.log(instance, asked, context.signal)) if (!(await write(chunk))) return;
  });
}

/**
 * Bytes as they are into a pipe or a file; what a guest may not do to a terminal is taken out there.
 * False when the reader has gone.
 */
function writerFor({ stdout, signal }: CliContext): (chunk: Buffer) => Promise<boolean> {
  const decoder = new StringDecoder('utf8');
  const filter = terminalFilter();
  return async (chunk) => {
    const isTaken = stdout.write(stdout.isTTY === true ? filter(decoder.write(chunk)) : chunk);
    if (!isTaken) await drained(stdout, signal);
    return stdout.writable;
  };
}
