import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildInit } from '../../src/guest/build-init.ts';

/** Compiles init with every warning an error, without the cache. */
const directory = mkdtempSync(join(tmpdir(), 'hypeman-init-'));
try {
  console.log(await buildInit(directory));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
