import { volumeId, volumeKeyOf } from '../machine/ids.ts';
import type { InstanceId, InstanceKey, VolumeId, VolumeKey } from '../machine/ids.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { mountsApplied } from '../plan/volumes.ts';
import type { VolumeSeen, VolumesSeen } from '../plan/volumes.ts';
import { fieldsOfOpenRun } from '../plan/policy-for.ts';
import type { Desired } from '../plan/world.ts';
import { namespaceOf } from '../machine/ids.ts';
import type { Eyes } from './eyes.ts';

type VolumeEyes = Pick<Eyes, 'volumes' | 'newId'> & {
  readonly declarations: Pick<Eyes['declarations'], 'volumes'>;
};

/** The volumes that the spec names, and those that the run has; of one that has no record yet, the former alone. */
export async function seeVolumes(
  eyes: VolumeEyes,
  key: InstanceKey,
  { record, desired }: { readonly record?: InstanceRecord; readonly desired: Desired },
): Promise<VolumesSeen> {
  const wanted = desired.is === 'wanted' ? desired.instance.spec.volumes : [];
  const mounts = [...wanted, ...mountsApplied(fieldsOfOpenRun(record) ?? {})];
  const names = [...new Set(mounts.map(({ volume }) => volume))];
  const seen = await Promise.all(
    names.map(async (name) => [name, await seeVolume(eyes, { key, id: record?.identity.id }, name)] as const),
  );
  return Object.fromEntries(seen);
}

type User = { readonly key: InstanceKey; readonly id: InstanceId | undefined };

async function seeVolume(eyes: VolumeEyes, user: User, name: string): Promise<VolumeSeen> {
  const key = volumeKeyOf(namespaceOf(user.key), name);
  const disk = await eyes.volumes.look(key);
  const layerBytes =
    disk.state === 'ready' && user.id !== undefined
      ? await eyes.volumes.layerBytes(user.id, disk.id)
      : undefined;
  // A disk that has yet to be made gets its name from here: the planner has no chance of its own.
  const id = disk.state === 'ready' ? disk.id : volumeId(eyes.newId());
  return {
    declared: declaredOf(eyes, key, id),
    disk,
    users: eyes.volumes.usersOf(key, user.key),
    ...(layerBytes === undefined ? {} : { layerBytes }),
  };
}

function declaredOf({ declarations }: VolumeEyes, key: VolumeKey, id: VolumeId): VolumeSeen['declared'] {
  const declared = declarations.volumes?.declared(key) ?? { is: 'gone' };
  if (declared.is === 'held') return { is: 'held', ...declared.refused };
  if (declared.is === 'barred') return declared;
  if (declared.is === 'gone') return { is: 'gone' };
  return { is: 'wanted', wish: { id, key, ...declared.volume.spec } };
}
