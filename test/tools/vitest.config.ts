import { defineConfig } from 'vitest/config';

/** A busy machine may steal a deadline once; a fault is there the second time too. */
const RETRY = 1;

/**
 * Four speeds: `unit` on every save, `host` needs root and Debian's tools, `cluster` a control plane that is built
 * once, `vm` boots real machines.
 */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    projects: [
      {
        test: {
          name: 'unit',
          sequence: { groupOrder: 0 },
          retry: RETRY,
          testTimeout: 20_000,
          include: ['test/{unit,property,golden,conformance}/**/*.test.ts'],
        },
      },
      {
        test: {
          name: 'host',
          sequence: { groupOrder: 1 },
          retry: RETRY,
          include: ['test/{host,hostile}/**/*.test.ts'],
          // Some measure rates: a machine that is busy with the others would falsify them.
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'cluster',
          sequence: { groupOrder: 2 },
          retry: RETRY,
          globalSetup: ['test/tools/cluster-setup.ts'],
          include: ['test/cluster/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // Each file has a control plane of its own: 600 MB.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'vm',
          sequence: { groupOrder: 3 },
          retry: RETRY,
          include: ['test/vm/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
