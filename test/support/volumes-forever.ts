import { randomBytes } from 'node:crypto';
import { volumeId, volumeKeyOf } from '../../src/machine/ids.ts';
import { openVolumes } from '../../src/storage/open-volumes.ts';

/** Makes, grows and removes volumes under the state directory in its arguments until it is killed. */
const state = process.argv[2] ?? '';
const volumes = await openVolumes({ roots: { state, run: state }, records: () => [] });
const MIB = 1024 ** 2;

for (let round = 0; ; round++) {
  const key = volumeKeyOf('default', `v${randomBytes(3).toString('hex')}`);
  const id = volumeId(randomBytes(12).toString('hex'));
  await volumes.create({ id, key, bytes: 16 * MIB, reclaimPolicy: 'Delete' });
  process.stdout.write('.');
  await volumes.grow(key, 24 * MIB);
  await volumes.writePolicy(key, 'Retain');
  if (round % 2 === 1) await volumes.remove(key);
}
