import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import { filledWithin } from '../../../src/storage/bounded-filling.ts';
import { KEY, MIB, volumesStage, wish } from '../../support/volumes-stage.ts';

const stage = volumesStage();
const BYTES = 4 * MIB;
/** Far more than there could be in a volume of this size: 1024 entries. */
const BOUNDLESS = 200_000;

/** A compressed archive of files of zeros. */
async function bombOf(files: number, bytes: number): Promise<Buffer> {
  const whole = createGzip({ level: 1 });
  const zeros = Buffer.alloc(bytes);
  const archive = Readable.from(
    (function* () {
      for (let at = 0; at < files; at++) yield* [headerOf(`f${at}`, bytes), zeros];
      yield Buffer.alloc(1024);
    })(),
  );
  return buffer(archive.pipe(whole));
}

/** Of a plain file, as ustar has it (POSIX.1-1988). */
function headerOf(name: string, bytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0' + '0000000\0'.repeat(2), 100);
  header.write(`${bytes.toString(8).padStart(11, '0')} ${'0'.repeat(11)} ${' '.repeat(8)}0`, 124);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

let base = '';
beforeEach(async () => {
  base = await mkdtemp(`${tmpdir()}/hm-bounded-`);
});
afterEach(() => rm(base, { recursive: true, force: true }));

function bounds(): Parameters<typeof filledWithin>[1] {
  return { bytes: BYTES, signal: new AbortController().signal, tooLarge: () => new Error('too large') };
}

/** Goes on until it is told to stop, or has made all of them. */
async function fillWith(
  directory: string,
  text: string,
  count: number,
  signal: AbortSignal,
): Promise<string> {
  await mkdir(directory);
  for (let at = 0; at < count; at += 100) {
    signal.throwIfAborted();
    await Promise.all(Array.from({ length: 100 }, (_, more) => writeFile(`${directory}/${at + more}`, text)));
  }
  return 'filled';
}

test.each([
  ['empty files', ''],
  ['large files', 'x'.repeat(MIB / 8)],
])('a filling with %s without end is stopped, and is told to be too large', async (_, text) => {
  const directory = `${base}/files`;
  const filling = filledWithin(directory, bounds(), (signal) => fillWith(directory, text, BOUNDLESS, signal));
  await expect(filling).rejects.toThrow('too large');
  expect((await readdir(directory)).length).toBeLessThan(BOUNDLESS / 2);
});

test('what fits is left alone, and what fails fails as it does', async () => {
  const directory = `${base}/files`;
  expect(await filledWithin(directory, bounds(), (signal) => fillWith(directory, 'x', 500, signal))).toBe(
    'filled',
  );
  const refused = filledWithin(directory, bounds(), async () => {
    await sleep(600);
    throw new Error('no registry');
  });
  await expect(refused).rejects.toThrow('no registry');
});

test('what a filesystem sets aside for a file that grows is not taken for its content', async () => {
  const directory = `${base}/files`;
  const filled = await filledWithin(directory, bounds(), async (signal) => {
    await mkdir(directory);
    // As XFS does it, by itself, behind the end of whatever is being written.
    await writeFile(`${directory}/growing`, 'x');
    await commandOutput('fallocate', ['--keep-size', '--length', `${64 * MIB}`, `${directory}/growing`]);
    await sleep(600);
    signal.throwIfAborted();
    return 'filled';
  });
  expect(filled).toBe('filled');
});

test('an archive of a few megabytes that would be gigabytes does not fill the disk, and leaves nothing', async () => {
  await writeFile(`${base}/bomb.tar.gz`, await bombOf(2_000, MIB));
  expect((await stat(`${base}/bomb.tar.gz`)).size).toBeLessThan(32 * MIB);
  await stage.volumes.create(
    wish({ bytes: BYTES, source: { from: 'archive', path: `${base}/bomb.tar.gz` } }),
  );
  let most = 0;
  for (;;) {
    const disk = await stage.volumes.look(KEY);
    if (disk.state !== 'making') {
      expect(disk).toMatchObject({ state: 'failed', reason: 'VolumeTooSmall' });
      break;
    }
    const taken = await commandOutput('du', ['-s', '--block-size=1M', stage.state]).catch(() => '0');
    most = Math.max(most, Number.parseInt(taken, 10));
  }
  expect(most).toBeLessThan(1_000);
  expect(await readdir(`${stage.state}/volumes`)).toEqual([]);
});
