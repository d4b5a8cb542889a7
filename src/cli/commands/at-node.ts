import { Option } from 'commander';
import type { Command } from 'commander';
import { pipeline } from 'node:stream/promises';
import { HypemanError } from '../../errors.ts';
import { connectUnix } from '../../host/unix-socket.ts';
import { instanceId } from '../../machine/ids.ts';
import { PROGRAM, addCommand, placesOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { controllerSocketOf } from '../context.ts';
import { parseWhole } from '../durations.ts';
import { usageFault } from '../faults.ts';
import type { LogAsked } from '../fleet.ts';
import { hostLog } from '../host-log.ts';
import { drained } from '../../serve/drained.ts';

/** What this program runs of itself in the Pod of a node's agent. */
export const AT_NODE = 'at-node';

/** The words after `at-node log ID` that ask for this. */
export function logWords({ source, tail, follow }: LogAsked): readonly string[] {
  return [
    ...['--source', source],
    ...(tail === undefined ? [] : ['--tail', String(tail)]),
    ...(follow === true ? ['--follow'] : []),
  ];
}

/** Not for people: no help shows it. Both end with their input, which ends with whoever asked from afar. */
export function addAtNode(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: AT_NODE,
    summary: 'What this program runs of itself on the node of an instance.',
    examples: [[`${PROGRAM} ${AT_NODE} socket`, 'input and output are a connection to the controller']],
    isHidden: true,
  });
  command.command('socket').action(async (_options: object, self: Command) => {
    await joinSocket(context, controllerSocketOf(placesOf(self)));
  });
  command
    .command('log <id>')
    .option('--follow')
    .option('--tail <lines>', '', parseWhole(0))
    .addOption(new Option('--source <source>').choices(['app', 'vmm']).default('app'))
    .action(async (id: string, asked: LogAsked, self: Command) => {
      // The id becomes a path, and comes from whoever may write a status.
      if (!/^[a-z0-9]+$/.test(id)) throw usageFault('this is not the id of an instance');
      const places = placesOf(self);
      await whileInputLasts(context, async (signal) => {
        for await (const chunk of hostLog(places, instanceId(id), asked, signal)) {
          if (!context.stdout.write(chunk)) await drained(context.stdout, signal);
          if (!context.stdout.writable) return;
        }
      });
    });
}

/** Bytes both ways, until the controller or whoever asked ends it. */
async function joinSocket(context: CliContext, path: string): Promise<void> {
  const socket = await connectUnix(path).catch((cause: unknown) => {
    const message = `no controller answers on ${path} of the node yet`;
    throw new HypemanError('transient', 'NoController', message, { cause });
  });
  const { stdin, stdout } = context;
  stdin.pipe(socket);
  try {
    await whileInputLasts(context, (signal) => pipeline(socket, stdout, { signal, end: false }));
  } finally {
    stdin.unpipe(socket);
    socket.destroy();
  }
}

/** Works until the input ends: whoever asks from afar keeps it open, and a lost connection closes it. */
async function whileInputLasts(
  { stdin, signal }: CliContext,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const end = (): void => {
    ended.abort();
  };
  for (const event of ENDS) stdin.once(event, end);
  stdin.resume();
  try {
    await work(AbortSignal.any([ended.signal, signal]));
  } catch (error) {
    if (!ended.signal.aborted && !signal.aborted) throw error;
  } finally {
    for (const event of ENDS) stdin.off(event, end);
    stdin.pause();
  }
}

const ENDS = ['end', 'close', 'error'] as const;
