import { expect, test } from 'vitest';
import { runCommand } from '../../../src/host/exec.ts';

/** The shell is killed; its child holds the output open, as the kernel would hold a program that it cannot end. */
const HELD = ['-c', 'sleep 3 & sleep 3'];

test('a program that is there after its deadline, and after it was killed, is let go of', async () => {
  const before = performance.now();
  const running = runCommand('sh', HELD, { timeoutMs: 100, letGoMs: 100 });
  await expect(running).rejects.toMatchObject({ fate: 'transient', reason: 'CommandTimeout' });
  expect(performance.now() - before).toBeLessThan(1_500);
});

test('one that ends in time is not hurried', async () => {
  const { exitCode, stdout } = await runCommand('sh', ['-c', 'sleep 0.2; echo done; exit 3'], {
    timeoutMs: 5_000,
    letGoMs: 0,
  });
  expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: 'done' });
});
