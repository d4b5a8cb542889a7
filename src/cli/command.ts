import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Places } from './context.ts';

/** What every command says about itself; `examples` are whole command lines, each with what it is for. */
export type CommandWords = {
  /** `get [names...]`, in commander's notation. */
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** What happens when no command is named. */
  readonly isDefault?: boolean;
  /** Left out of the help. */
  readonly isHidden?: boolean;
};

export const PROGRAM = 'hypeman-controller';
/** The second name of the same program: kubectl finds it on the PATH as `kubectl hypeman`. */
export const PLUGIN = 'kubectl-hypeman';

/** Adds a command whose help ends with examples, in the name under which the program was called. */
export function addCommand(program: Command, words: CommandWords): Command {
  const lines = words.examples.map(
    ([line, purpose]) => [line.replaceAll(PROGRAM, program.name()), purpose] as const,
  );
  const width = Math.max(...lines.map(([line]) => line.length));
  const examples = lines.map(([line, purpose]) => `  ${line.padEnd(width)}   # ${purpose}`);
  return program
    .command(words.usage, { isDefault: words.isDefault === true, hidden: words.isHidden === true })
    .summary(words.summary)
    .description(words.details === undefined ? words.summary : `${words.summary}\n\n${words.details}`)
    .addHelpText('after', `\nExamples:\n${examples.join('\n')}`);
}

/** The directories of the controller this command speaks of. */
export function placesOf(command: Command): Places {
  const { stateDir, runDir } = command.optsWithGlobals<Places>();
  return { stateDir: resolve(stateDir), runDir: resolve(runDir) };
}

/** Adds what may be given once or many times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
