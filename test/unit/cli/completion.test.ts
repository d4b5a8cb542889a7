import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from '../../../src/host/exec.ts';
import { isExecutable } from '../../../src/host/files.ts';
import { cli } from '../../support/cli-run.ts';

const SHELLS = [
  ['bash', '/usr/bin/bash'],
  ['zsh', '/usr/bin/zsh'],
  ['fish', '/usr/bin/fish'],
] as const;

for (const [shell, path] of SHELLS)
  test.skipIf(!(await isExecutable(path)))(
    `the script for ${shell} is one that ${shell} can read`,
    async () => {
      const { stdout } = await cli(['completion', shell]);
      expect(stdout).toContain('describe');
      const directory = await mkdtemp(join(tmpdir(), 'hypeman-completion-'));
      await writeFile(`${directory}/script`, stdout);
      const read = await runCommand(path, ['-n', `${directory}/script`]);
      await rm(directory, { recursive: true });
      expect(read).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    },
  );

/** What bash would offer at the end of these words, with a program that knows two instances. */
async function offered(...words: readonly string[]): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'hypeman-completion-'));
  const script = `${(await cli(['completion', 'bash'])).stdout}
hypeman-controller() { printf 'instance.hypeman.dev/web\\ninstance.hypeman.dev/db\\n'; }
COMP_WORDS=(hypeman-controller ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_hypeman_controller
printf '%s\\n' "\${COMPREPLY[@]}"
`;
  await writeFile(`${directory}/script`, script);
  await writeFile(`${directory}/web.yaml`, '');
  const { stdout } = await runCommand('bash', ['script'], { cwd: directory });
  await rm(directory, { recursive: true });
  return stdout.split('\n').sort();
}

test('bash completes commands, names, options, their values and files', async () => {
  expect(await offered('de')).toEqual(['describe']);
  expect(await offered('describe', '')).toEqual(['db', 'web']);
  expect(await offered('--state-dir', '/x', 'logs', 'w')).toEqual(['web']);
  expect(await offered('get', '-o', '')).toEqual(['json', 'name', 'wide', 'yaml']);
  expect(await offered('logs', 'web', '--so')).toEqual(['--source']);
  expect(await offered('logs', 'web', '--source', '')).toEqual(['app', 'vmm']);
  expect(await offered('validate', 'web')).toEqual(['web.yaml']);
  expect(await offered('completion', '')).toEqual(['bash', 'fish', 'zsh']);
});
