import type { Eyes } from './look/eyes.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { ProcessIdentity } from './machine/machine.ts';
import { pathsFor } from './machine/paths.ts';
import type { Workshops } from './workshops.ts';

const OBSERVE_MS = 5000;

type Observers = Pick<Eyes, 'drivers'> &
  Pick<Workshops, 'roots'> & { readonly storage: Pick<Workshops['storage'], 'recordOf'> };

/** The VMM that runs an instance now, by what its driver sees; undefined when there is none. */
export async function vmmProcessOf(
  { roots, storage, drivers }: Observers,
  key: InstanceKey,
  withinMs = OBSERVE_MS,
): Promise<ProcessIdentity | undefined> {
  const record = storage.recordOf(key);
  if (record?.run === undefined) return undefined;
  const { id } = record.identity;
  const signal = AbortSignal.timeout(withinMs);
  const machine = await drivers[record.run.hypervisor]?.observe({ id, paths: pathsFor(roots, id) }, signal);
  return machine === undefined || machine.state === 'absent' ? undefined : machine.process;
}
