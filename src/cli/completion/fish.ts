import { PROGRAM } from '../command.ts';
import { NAME_PREFIX } from '../instances.ts';
import type { CommandShape, OptionShape } from './words.ts';

/** A script for fish: one line for each command and option. */
export function fishScript(commands: readonly CommandShape[]): string {
  return `# fish completion for ${PROGRAM}: ${PROGRAM} completion fish | source
function __hypeman_names
    ${PROGRAM} get -A -o name 2>/dev/null | string replace '${NAME_PREFIX}' ''
end

complete -c ${PROGRAM} -f
${commands.map(commandLines).join('')}`;
}

function commandLines(shape: CommandShape): string {
  const { name, summary } = shape;
  const within = `-n '__fish_seen_subcommand_from ${name}'`;
  return [
    `complete -c ${PROGRAM} -n __fish_use_subcommand -a ${name} -d '${quoted(summary)}'\n`,
    ...shape.options.map((option) => `complete -c ${PROGRAM} ${within} ${optionWords(option)}\n`),
    operandLine(shape, within),
  ].join('');
}

function optionWords({ flags, summary, value }: OptionShape): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  return [...names, `-d '${quoted(summary)}'`, ...valueWords(value)].join(' ');
}

function valueWords(value: OptionShape['value']): readonly string[] {
  if (value === false) return [];
  if (value === 'files') return ['-r', '-F'];
  return value === 'text' ? ['-x'] : ['-x', `-a '${value.join(' ')}'`];
}

function operandLine({ operands }: CommandShape, within: string): string {
  if (operands === 'instances') return `complete -c ${PROGRAM} ${within} -a '(__hypeman_names)'\n`;
  if (operands === 'files') return `complete -c ${PROGRAM} ${within} -F\n`;
  return operands === 'none' ? '' : `complete -c ${PROGRAM} ${within} -a '${operands.join(' ')}'\n`;
}

function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
