import { PROGRAM } from '../command.ts';
import { NAME_PREFIX } from '../instances.ts';
import type { CommandShape, OptionShape } from './words.ts';

/** A script for zsh: to be sourced after compinit, or to lie as `_hypeman-controller` in $fpath. */
export function zshScript(commands: readonly CommandShape[]): string {
  const described = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`).join('\n');
  return `#compdef ${PROGRAM}
# zsh completion for ${PROGRAM}: source <(${PROGRAM} completion zsh)
_hypeman_names() {
  local -a names
  names=(\${(f)"$(${PROGRAM} get -A -o name 2>/dev/null | sed 's|^${NAME_PREFIX}||')"})
  compadd -a names
}

_hypeman_controller() {
  local -a commands
  commands=(
${described}
  )
  local command= word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ $word == -- ]]; then _files; return; fi
    if (( \${commands[(I)\${word}:*]} )); then command=$word; break; fi
  done
  case $command in
${commands.map(commandCase).join('')}    *)
      _describe command commands
      ;;
  esac
}

if [ "\${funcstack[1]}" = _hypeman-controller ]; then
  _hypeman_controller "$@"
else
  compdef _hypeman_controller ${PROGRAM}
fi
`;
}

function commandCase(shape: CommandShape): string {
  const lines = [...shape.options.flatMap(optionSpecs), operandSpec(shape)].filter((spec) => spec !== '');
  return `    ${shape.name})
      shift words; (( CURRENT-- ))
      _arguments \\
${lines.map((line) => `        ${line}`).join(' \\\n')}
      ;;
`;
}

function optionSpecs({ flags, summary, value }: OptionShape): readonly string[] {
  return flags.map((flag) => `'*${flag}[${quoted(summary)}]${valueSpec(value)}'`);
}

function valueSpec(value: OptionShape['value']): string {
  if (value === false) return '';
  if (value === 'files') return ':file:_files';
  return value === 'text' ? ':value:' : `:value:(${value.join(' ')})`;
}

function operandSpec({ operands }: CommandShape): string {
  if (operands === 'instances') return "'*:instance:_hypeman_names'";
  if (operands === 'files') return "'*:file:_files'";
  return operands === 'none' ? '' : `'1:word:(${operands.join(' ')})'`;
}

/** For a description within single quotes and square brackets of _arguments. */
function quoted(text: string): string {
  return text
    .replaceAll("'", "'\\''")
    .replace(/[[\]:\\]/g, (character) => (character === '\\' ? character : `\\${character}`));
}
