import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DIRECTORY_MODE, PROGRAM_MODE, cpioOf } from '../../../src/guest/cpio.ts';
import { commandOutput } from '../../../src/host/exec.ts';

test('cpio(1) unpacks what was packed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cpio-'));
  const archive = cpioOf([
    { name: 'sub', mode: DIRECTORY_MODE },
    { name: 'sub/odd', mode: PROGRAM_MODE, content: Buffer.from('five!') },
    { name: 'empty', mode: PROGRAM_MODE },
  ]);
  await writeFile(join(directory, 'a.cpio'), archive);
  await commandOutput('cpio', ['-i', '--quiet', '-F', 'a.cpio'], { cwd: directory });
  expect(await commandOutput('cat', ['sub/odd'], { cwd: directory })).toBe('five!');
  expect(await commandOutput('stat', ['-c', '%a %s', 'sub', 'sub/odd', 'empty'], { cwd: directory })).toMatch(
    /^755 \d+\n755 5\n755 0$/,
  );
  await rm(directory, { recursive: true });
});

test('an archive ends on 512 bytes, so that another may follow, and equal content gives equal bytes', () => {
  const make = (): Buffer => cpioOf([{ name: 'a', mode: PROGRAM_MODE, content: Buffer.from('x') }]);
  expect(make().length % 512).toBe(0);
  expect(make().equals(make())).toBe(true);
});
