import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { instanceFromReference } from '../../api/convert.ts';
import { HypemanError, messageOf } from '../../errors.ts';
import { addCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { yamlText } from '../render.ts';

export function addConvert(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: 'convert <file>',
    summary: 'Turn the JSON body of a hypeman create or fork into an Instance.',
    details: 'Prints YAML; what has no place in it is said on stderr. `-` reads from the input.',
    examples: [
      ['hypeman-controller convert create.json > instances/web.yaml', 'one body'],
      [
        'hypeman-controller convert --fork-of web fork.json',
        'the body of a fork, which does not name its source',
      ],
    ],
  })
    .option('--fork-of <name>', 'the instance that is forked')
    .action(async (file: string, { forkOf }: { readonly forkOf?: string }) => {
      const json = file === '-' ? await text(context.stdin) : await readFile(file, 'utf8');
      const converted = instanceFromReference(
        parsed(json, file),
        forkOf === undefined ? {} : { source: forkOf },
      );
      if ('problems' in converted)
        throw new HypemanError('invalid', 'CannotConvert', converted.problems.join('\n'));
      for (const note of converted.notes) context.stderr.write(`note: ${note}\n`);
      context.stdout.write(yamlText(converted.document));
    });
}

function parsed(json: string, file: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new HypemanError(
      'invalid',
      'NotJson',
      `${file === '-' ? 'the input' : file} is not JSON: ${messageOf(error)}`,
    );
  }
}
