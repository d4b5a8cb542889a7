import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { watchLines } from '../../../src/host/watch-lines.ts';
import { eventually } from '../../support/netns.ts';

test('each line is told, then the end', async () => {
  const lines: string[] = [];
  let isEnded = false;
  watchLines('sh', ['-c', 'echo one; echo two'], {
    onLine: (line) => lines.push(line),
    onEnd: () => (isEnded = true),
  });
  expect(await eventually(() => isEnded && lines.length === 2)).toBe(true);
  expect(lines).toEqual(['one', 'two']);
});

test('a program that is not there has ended', async () => {
  let isEnded = false;
  watchLines('no-such-program', [], { onLine: () => undefined, onEnd: () => (isEnded = true) });
  expect(await eventually(() => isEnded)).toBe(true);
});

test('closing ends the program without a word', async () => {
  let pid = 0;
  let isEnded = false;
  const watch = watchLines('sh', ['-c', 'echo $$; exec sleep 600'], {
    onLine: (line) => (pid = Number(line)),
    onEnd: () => (isEnded = true),
  });
  expect(await eventually(() => pid > 0)).toBe(true);
  watch.close();
  expect(await eventually(() => isGone(pid))).toBe(true);
  expect(isEnded).toBe(false);
});

test('a controller that is killed takes its watcher with it', async () => {
  const module = new URL('../../../src/host/watch-lines.ts', import.meta.url).href;
  const program = `
    const { watchLines } = await import(${JSON.stringify(module)});
    watchLines('sh', ['-c', 'echo $$; exec sleep 600'], { onLine: console.log, onEnd() {} });
    setInterval(() => {}, 1000);`;
  const controller = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let pid = 0;
  controller.stdout.on('data', (bytes) => (pid = Number(String(bytes))));
  expect(await eventually(() => pid > 0)).toBe(true);
  controller.kill('SIGKILL');
  expect(await eventually(() => isGone(pid))).toBe(true);
});

async function isGone(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text === undefined || text.includes(') Z ');
}
