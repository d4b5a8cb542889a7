import { Argument } from 'commander';
import type { Command } from 'commander';
import { addCommand } from '../command.ts';
import { bashScript } from '../completion/bash.ts';
import { fishScript } from '../completion/fish.ts';
import { shapesOf } from '../completion/words.ts';
import { zshScript } from '../completion/zsh.ts';
import type { CliContext } from '../context.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function addCompletion(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'completion',
    summary: 'Print a script that completes commands, options and instance names.',
    examples: [
      ['source <(hypeman-controller completion bash)', 'for this shell; put it into ~/.bashrc for all'],
      ['hypeman-controller completion zsh > ~/.zfunc/_hypeman-controller', 'a directory of $fpath'],
      ['hypeman-controller completion fish > ~/.config/fish/completions/hypeman-controller.fish', 'for fish'],
    ],
  })
    .addArgument(new Argument('<shell>', 'for which shell').choices(['bash', 'zsh', 'fish']))
    .action((shell: keyof typeof SCRIPTS) => {
      context.stdout.write(SCRIPTS[shell](shapesOf(program)));
    });
}
