import { rm } from 'node:fs/promises';
import { ORIGIN } from './records.ts';
import { instanceId, snapshotId } from '../../src/machine/ids.ts';
import { openSnapshots } from '../../src/storage/open-snapshots.ts';

/** Freezes, forks and collects until somebody kills it: `node fork-forever.ts STATE SOURCE-DISK`. */
const [state = '', path = ''] = process.argv.slice(2);
const snapshots = openSnapshots({ roots: { state, run: state }, bootId: 'boot' });
const owner = { uid: 1, gid: 1, sharedGid: 1 };
for (let round = 0; ; round += 1) {
  const base = snapshotId(`base${round % 3}`);
  const disks = [{ serial: 'overlay', path, readonly: false }];
  await snapshots.freezeDisks(base, instanceId('source'), (directory) =>
    snapshots.fillBase(directory, disks, { ...ORIGIN, takenAt: round }),
  );
  if (round === 0) process.stdout.write('busy\n');
  await snapshots.cloneDisk(`${snapshots.basePaths(base).disks}/overlay.img`, `${state}/fork.img`, owner);
  await snapshots.settleBase(base);
  await rm(`${state}/fork.img`);
  await snapshots.collectBases((id) => id !== base);
}
