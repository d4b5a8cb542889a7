import { writeBootArchive } from '../guest/boot-archive.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Fields } from '../machine/record.ts';
import type { Action } from '../plan/action.ts';
import { ENV_FIELD_PREFIX } from '../plan/fields.ts';
import { environmentDigests } from '../secrets/environment.ts';
import { guestEnvironment } from '../secrets/guest-environment.ts';
import type { Hands } from './hands.ts';
import { recordFor, valuesChanged, valuesMissing } from './planned-values.ts';

/**
 * Writes what init reads at boot. The plan names the environment by digests; the values are fetched
 * here, and refused when they are no longer the ones that were planned for.
 */
export async function writeBoot(
  hands: Hands,
  { key, boot, fields, disguise }: Extract<Action, { kind: 'write-boot' }>,
): Promise<void> {
  const { identity } = recordFor(hands, key, 'to boot from');
  const environment = await hands.environmentOf(key);
  if (environment.is === 'missing') throw valuesMissing(environment);
  const values = guestEnvironment(environment.values, disguise);
  if (!sameEnvironment(environmentDigests(values, identity.salt), fields)) throw valuesChanged();
  await writeBootArchive({
    base: await hands.baseInitrd(),
    paths: pathsFor(hands.roots, boot.id),
    boot,
    env: values,
    fields,
    owner: identity.owner,
  });
}

function sameEnvironment(digests: Fields, fields: Fields): boolean {
  const planned = Object.entries(fields).filter(([path]) => path.startsWith(ENV_FIELD_PREFIX));
  return (
    planned.length === Object.keys(digests).length &&
    planned.every(([path, digest]) => digests[path.slice(ENV_FIELD_PREFIX.length)] === digest)
  );
}
