import type { InstanceKey } from '../machine/ids.ts';
import type { GuestState } from '../machine/guest.ts';
import { pluggedBytes } from '../machine/hotplug.ts';
import type { Hypervisor, MachineState } from '../machine/machine.ts';
import { pathsFor } from '../machine/paths.ts';
import type { InstanceRecord } from '../machine/record.ts';
import type { Desired, HostFacts, World } from '../plan/world.ts';
import { readBootFields } from '../guest/boot-archive.ts';
import { desiredOf } from './desired.ts';
import { seeEgress } from './egress.ts';
import { seeForks, seeStandby } from './forks.ts';
import type { Eyes } from './eyes.ts';
import { seeImages } from './images.ts';
import { seeVolumes } from './volumes.ts';
import { openProposals } from './proposals.ts';

/** Builds the World of one key: everything that can be seen of it now, its aspects in parallel. */
export type Look = (key: InstanceKey, signal: AbortSignal) => Promise<World>;

export function openLook(eyes: Eyes): Look {
  const proposals = openProposals(eyes);
  return look;

  /** `isSource`: as a fork sees it, which sees nothing of forks itself. */
  async function look(key: InstanceKey, signal: AbortSignal, isSource = false): Promise<World> {
    const record = eyes.storage.recordOf(key);
    const host = await eyes.hostFacts();
    const wantsProposal = record === undefined && eyes.declarations.declared(key).is === 'wanted';
    if (!wantsProposal) proposals.settle(key);
    const proposal = record?.identity ?? (wantsProposal ? proposals.of(key) : 'unneeded');
    const desired = await desiredOf(eyes.declarations, key, proposal, record);
    const base = { key, now: eyes.now(), desired, host, proposal } as const;
    const images = await seeImages(eyes, key, desired, record);
    if (record === undefined) {
      const volumes = await seeVolumes(eyes, key, { desired });
      return { ...base, ...images, ...NOTHING, volumes };
    }
    const seen = await seeRecorded(eyes, { record, desired, host }, signal);
    const forks = isSource ? {} : await seeForks(eyes, record, (source) => look(source, signal, true));
    return { ...base, ...images, ...seen, ...forks };
  }
}

/** What can be seen of an instance that was never recorded: it has no name on the host to look for. */
const NOTHING = {
  record: 'absent',
  overlay: { state: 'absent' },
  network: { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} },
  boot: { state: 'absent' },
  egress: { policy: { state: 'absent' } },
  machine: { state: 'absent' },
  standby: { state: 'absent' },
  guest: { state: 'silent' },
} as const satisfies Partial<World>;

type Recorded = { readonly record: InstanceRecord; readonly desired: Desired; readonly host: HostFacts };

async function seeRecorded(
  eyes: Eyes,
  recorded: Recorded,
  signal: AbortSignal,
): Promise<
  Pick<
    World,
    | 'record'
    | 'overlay'
    | 'volumes'
    | 'network'
    | 'boot'
    | 'egress'
    | 'machine'
    | 'standby'
    | 'guest'
    | 'memoryNotTaken'
  >
> {
  const { record, host } = recorded;
  const { identity } = record;
  const paths = pathsFor(host.roots, identity.id);
  const [bytes, volumes, network, fields, machine] = await Promise.all([
    eyes.storage.overlayBytes(identity.id),
    seeVolumes(eyes, record.key, recorded),
    eyes.network.look(identity),
    readBootFields(paths),
    seeMachine(eyes, recorded, signal),
  ]);
  const guest = seeGuest(eyes, record, machine, paths.guestSocket);
  return {
    record,
    overlay: bytes === undefined ? { state: 'absent' } : { state: 'ready', bytes },
    volumes,
    network,
    boot: fields === undefined ? { state: 'absent' } : { state: 'ready', fields },
    egress: seeEgress(eyes.egress, identity.id),
    machine,
    standby: await seeStandby(eyes, record, machine),
    guest,
    ...seeMemory(eyes, { record, machine, guest }),
  };
}

function seeMemory(
  { memoryCounts }: Eyes,
  { record, machine, guest }: Pick<World, 'machine' | 'guest'> & { readonly record: InstanceRecord },
): Pick<World, 'memoryNotTaken'> {
  const { id } = record.identity;
  const bytes = guest.state === 'started' && guest.agentReady ? grownTo(record, machine) : undefined;
  if (bytes === undefined) {
    memoryCounts?.forget(id);
    return {};
  }
  const missing = memoryCounts?.missing(id, bytes);
  return missing === undefined ? {} : { memoryNotTaken: missing };
}

/** All of its RAM, when some of it was added under it. */
function grownTo({ run }: InstanceRecord, machine: MachineState): number | undefined {
  const isThere = machine.state === 'running' || machine.state === 'paused';
  const added = isThere ? pluggedBytes(machine.dimms ?? []) : 0;
  return run === undefined || added === 0 ? undefined : Number(run.applied.fields.size) + added;
}

async function seeMachine(
  eyes: Eyes,
  { record, desired, host }: Recorded,
  signal: AbortSignal,
): Promise<MachineState> {
  const driver = eyes.drivers[hypervisorOf(record, desired, host)];
  if (driver === undefined) return { state: 'absent' };
  const { id } = record.identity;
  return driver.observe({ id, paths: pathsFor(host.roots, id) }, signal);
}

/** The one that runs it now, else the one that is asked for. */
function hypervisorOf(record: InstanceRecord, desired: Desired, host: HostFacts): Hypervisor {
  if (record.run !== undefined) return record.run.hypervisor;
  const asked = desired.is === 'wanted' ? desired.instance.spec.hypervisor : undefined;
  return asked ?? host.defaultHypervisor;
}

/**
 * A guest that is gone may have said how it ended before it went: that is still told, until the hands
 * start or end a machine and so drop the link.
 */
function seeGuest(eyes: Eyes, record: InstanceRecord, machine: MachineState, socket: string): GuestState {
  const { id } = record.identity;
  if (machine.state === 'running' || machine.state === 'paused') return eyes.links.look(id, socket);
  return eyes.links.lastTold(id);
}
