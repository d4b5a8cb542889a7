import { describe, expect, test } from 'vitest';
import { whileWatched } from '../../../src/images/fetch.ts';
import { Pulls } from '../../../src/images/pulls.ts';
import { HypemanError } from '../../../src/errors.ts';

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('aborted'));
    });
  });
}
const never = new AbortController().signal;

describe('work that is watched', () => {
  test('ends with what the watch found wrong, after the work has ended', async () => {
    const stalled = new Error('stood still');
    let checks = 0;
    let ended = false;
    const work = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).finally(() => (ended = true));
    };
    const check = (): Promise<void> => {
      checks += 1;
      return checks < 3 ? Promise.resolve() : Promise.reject(stalled);
    };
    await expect(whileWatched(work, check, never, 1)).rejects.toBe(stalled);
    expect(ended).toBe(true);
  });

  test('ends at once when it is done, however long the next check is away', async () => {
    await whileWatched(
      () => Promise.resolve(),
      () => Promise.resolve(),
      never,
      3_600_000,
    );
  });

  test('fails with its own words', async () => {
    const failed = whileWatched(
      () => Promise.reject(new Error('denied')),
      () => Promise.resolve(),
      never,
      1,
    );
    await expect(failed).rejects.toThrow('denied');
  });
});

describe('pulls', () => {
  test('tell everybody who asked, by the name they asked with, and join under one name', async () => {
    const told: string[] = [];
    const pulls = new Pulls({ onChange: (reference) => told.push(reference), now: () => 5 });
    let works = 0;
    let finish: () => void = () => undefined;
    const work = async (): Promise<{ digest: string }> => {
      works += 1;
      await new Promise<void>((resolve) => (finish = resolve));
      return { digest: 'sha256:a' };
    };
    pulls.start('docker.io/library/nginx:latest', 'nginx', work);
    pulls.start('docker.io/library/nginx:latest', 'docker.io/nginx', work);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(works).toBe(1);
    expect(told).toEqual(['nginx', 'docker.io/nginx']);
    expect(pulls.outcomeOf('docker.io/library/nginx:latest')).toEqual({
      is: 'done',
      at: 5,
      digest: 'sha256:a',
    });
  });

  test('that fail again and again wait longer; one that worked begins anew', async () => {
    const pulls = new Pulls({ onChange: () => undefined, now: () => 0 });
    const away = (): Promise<never> =>
      Promise.reject(new HypemanError('transient', 'RegistryUnreachable', 'away'));
    const here = (): Promise<{ digest: string }> => Promise.resolve({ digest: 'sha256:a' });
    const waits: unknown[] = [];
    for (const work of [away, away, here, away]) {
      pulls.start('x', 'x', work);
      await new Promise((resolve) => setImmediate(resolve));
      const outcome = pulls.outcomeOf('x');
      waits.push(
        outcome.is === 'failed' && outcome.state.state === 'failed' ? outcome.state.retryAt : outcome.is,
      );
    }
    expect(waits).toEqual([1000, 2000, 'done', 1000]);
  });

  test('that are closed are aborted, waited for, and tell nothing more', async () => {
    const told: string[] = [];
    const pulls = new Pulls({ onChange: (reference) => told.push(reference), now: () => 0 });
    let ended = false;
    pulls.start('x', 'x', async (_tell, signal) => {
      await untilAborted(signal).finally(() => (ended = true));
      return { digest: '' };
    });
    await pulls.close();
    pulls.start('y', 'y', () => Promise.reject(new Error('must not start')));
    expect([ended, told, pulls.outcomeOf('y')]).toEqual([true, [], { is: 'unknown' }]);
  });
});
