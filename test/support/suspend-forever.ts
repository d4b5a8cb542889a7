import { readFile } from 'node:fs/promises';
import { openQemuDriver } from '../../src/drivers/qemu/driver.ts';
import { discardSnapshot } from '../../src/host/snapshot-files.ts';
import { readBootId } from '../../src/host/processes.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { SHARED_GID } from '../../src/machine/owner.ts';
import { snapshotPathsAt } from '../../src/machine/snapshot-paths.ts';

/** Suspends, restores and freezes one machine until somebody kills it: `node suspend-forever.ts MACHINE.json BASE`. */
const [machinePath = '', base = ''] = process.argv.slice(2);
const machine = JSON.parse(await readFile(machinePath, 'utf8')) as Machine;
const { memory } = openQemuDriver({
  ...{ bootId: await readBootId(), onChange: () => undefined, accelerator: 'tcg', sharedGid: SHARED_GID },
  ...{ acceleratorCache: '', kernelPath: () => Promise.resolve(undefined) },
});
const { signal } = new AbortController();
process.stdout.write('busy\n');
for (;;) {
  await memory?.suspend(machine, signal);
  await memory?.restore(machine, { kind: 'standby' }, signal);
  await memory?.freeze(machine, snapshotPathsAt(base), { copyDisks: () => Promise.resolve() }, signal);
  await discardSnapshot(snapshotPathsAt(base));
}
