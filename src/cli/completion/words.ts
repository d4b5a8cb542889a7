import type { Command, Option } from 'commander';
import { AT_NODE } from '../commands/at-node.ts';

/** What a shell needs to know of one command. */
export type CommandShape = {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionShape[];
  /** What its plain words are. */
  readonly operands: 'instances' | 'files' | 'none' | readonly string[];
};

export type OptionShape = {
  /** `--output`, and `-o` where there is one. */
  readonly flags: readonly string[];
  readonly summary: string;
  /** What may follow: `false` for nothing, else the words, or whatever files there are. */
  readonly value: false | 'files' | 'text' | readonly string[];
};

/** The commands of the program as data, so that three shells can be told the same. */
export function shapesOf(program: Command): readonly CommandShape[] {
  const shared = program.options.filter(({ hidden }) => !hidden).map(optionShape);
  return program.commands.filter(isForPeople).map((command) => ({
    name: command.name(),
    summary: command.summary(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionShape), ...shared],
    operands: operandsOf(command),
  }));
}

function isForPeople(command: Command): boolean {
  return command.name() !== AT_NODE;
}

function optionShape(option: Option): OptionShape {
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    summary: option.description,
    value: valueOf(option),
  };
}

const FILE_VALUES = /<(dir|file|path)>/;

function valueOf(option: Option): OptionShape['value'] {
  if (!option.required && !option.optional) return false;
  if (option.argChoices !== undefined) return option.argChoices;
  return FILE_VALUES.test(option.flags) ? 'files' : 'text';
}

/** By the names of the arguments: `<name>` and `[names...]` are instances, `<files...>` are files. */
function operandsOf({ registeredArguments }: Command): CommandShape['operands'] {
  const [first] = registeredArguments;
  if (first === undefined) return 'none';
  if (first.argChoices !== undefined) return first.argChoices;
  if (/^names?$/.test(first.name())) return 'instances';
  return first.name() === 'words' ? 'none' : 'files';
}
