import { PROGRAM } from '../command.ts';
import { NAME_PREFIX } from '../instances.ts';
import type { CommandShape } from './words.ts';

/** A script for bash, without the bash-completion package. Names are asked of the program itself. */
export function bashScript(commands: readonly CommandShape[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const cases = commands.map(commandCase).join('');
  return `# bash completion for ${PROGRAM}: source <(${PROGRAM} completion bash)
_hypeman_names() {
  ${PROGRAM} get -A -o name 2>/dev/null | sed 's|^${NAME_PREFIX}||'
}

_hypeman_controller() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command= word words= flags= files=
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      --) return ;;
      ${commands.map(({ name }) => name).join(' | ')}) command=$word; break ;;
    esac
  done
  case $command in
${cases}    *) flags='${flagsOf(commands.find(({ name }) => name === 'run'))}' words='${names}' ;;
  esac
  if [ -n "$files" ]; then
    COMPREPLY=($(compgen -f -- "$current"))
    compopt -o filenames 2>/dev/null
    return
  fi
  case $current in
    -*) words=$flags ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}

complete -F _hypeman_controller ${PROGRAM}
`;
}

function commandCase(shape: CommandShape): string {
  const values = shape.options.flatMap(({ flags, value }) => {
    if (value === false) return [];
    const then = value === 'files' ? 'files=1' : `words='${Array.isArray(value) ? value.join(' ') : ''}'`;
    return [`        ${flags.join(' | ')}) ${then} ;;\n`];
  });
  return `    ${shape.name})
      flags='${flagsOf(shape)}'
      case $previous in
${values.join('')}        *) ${operandWords(shape)} ;;
      esac
      ;;
`;
}

function operandWords({ operands }: CommandShape): string {
  if (operands === 'instances') return 'words=$(_hypeman_names)';
  if (operands === 'files') return 'case $current in -*) ;; *) files=1 ;; esac';
  return operands === 'none' ? 'words=' : `words='${operands.join(' ')}'`;
}

function flagsOf(shape: CommandShape | undefined): string {
  return (shape?.options ?? [])
    .flatMap(({ flags }) => flags.filter((flag) => flag.startsWith('--')))
    .join(' ');
}
