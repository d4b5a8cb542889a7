import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openImageStore } from '../../src/images/open-image-store.ts';
import { volumeId, volumeKeyOf } from '../../src/machine/ids.ts';
import { openVolumes } from '../../src/storage/open-volumes.ts';

/**
 * Makes, grows and removes volumes under the state directory in its arguments until it is killed, every other one
 * filled from the image in its arguments.
 */
const [, , state = '', reference = ''] = process.argv;
const roots = { state, run: state };
const images = await openImageStore({ roots, sharedGid: 0, onChange: () => undefined });
const volumes = await openVolumes({
  ...{ roots, records: () => [] },
  unpackImage: (image, to) => images.unpack(image, to),
});
const MIB = 1024 ** 2;

for (let round = 0; ; round++) {
  const key = volumeKeyOf('default', `v${randomBytes(3).toString('hex')}`);
  const id = volumeId(randomBytes(12).toString('hex'));
  const filling = round % 2 === 1 ? { source: { from: 'image', reference } as const } : {};
  await volumes.create({ id, key, bytes: 16 * MIB, reclaimPolicy: 'Delete', ...filling });
  while ((await volumes.look(key)).state === 'making') await sleep(5);
  const disk = await volumes.look(key);
  if (disk.state === 'failed') throw new Error(disk.message);
  process.stdout.write('.');
  await volumes.grow(key, 24 * MIB);
  await volumes.writePolicy(key, 'Retain');
  if (round % 4 > 1) await volumes.remove(key);
}
