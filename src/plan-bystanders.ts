import { readIfThere } from './host/files.ts';
import { isAlive } from './host/processes.ts';
import type { Eyes } from './look/eyes.ts';
import type { MachineRef } from './machine/driver.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { MachineState, ProcessIdentity } from './machine/machine.ts';
import type { Shaping } from './machine/network.ts';
import { pathsFor } from './machine/paths.ts';
import type { Roots } from './machine/paths.ts';
import type { InstanceRecord } from './machine/record.ts';
import { foreseen } from './plan/foresee.ts';
import { mediationWanted } from './plan/mediation.ts';
import { isKnown, isRecorded } from './plan/known.ts';
import { forkingOf } from './plan/records.ts';
import type { RecordedWorld, World } from './plan/world.ts';

export type Bystander = {
  readonly roots: Roots;
  readonly bootId: string;
  readonly records: readonly InstanceRecord[];
  /** What the tap of a running instance was last reported to be limited to. */
  readonly shapingOf: (key: InstanceKey) => Shaping;
};

/**
 * Eyes for somebody who must not disturb a controller: a machine is its recorded process, its network is
 * there while it runs, and its guest is as far as its record says. The sockets of both speak to one
 * listener only.
 */
export function bystanderEyes(bystander: Bystander): Pick<Eyes, 'drivers' | 'network' | 'egress' | 'links'> {
  const { roots, records } = bystander;
  const byId = new Map(records.map((record) => [record.identity.id, record]));
  const seen = ({ paths }: Pick<MachineRef, 'paths'>): Promise<MachineState> =>
    machineAt(paths.vmmIdentity, bystander.bootId);
  return {
    drivers: { qemu: { observe: seen } },
    network: {
      look: async ({ id, tap }) => {
        const machine = await seen({ paths: pathsFor(roots, id) });
        const record = byId.get(id);
        if (machine.state !== 'running' || record === undefined)
          return { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} };
        return {
          tap: { state: 'up', name: tap },
          guard: { state: 'guarded' },
          shaping: bystander.shapingOf(record.key),
        };
      },
    },
    egress: { inForce: () => undefined, problem: () => undefined },
    links: {
      look: (id) => {
        const startedAt = byId.get(id)?.run?.readyAt;
        return startedAt === undefined
          ? { state: 'booting' }
          : { state: 'started', startedAt, agentReady: true };
      },
      lastTold: () => ({ state: 'silent' }),
    },
  };
}

/**
 * Mediation as the record of a running guest has it: its proxy answers to the controller alone. Ports and CA do
 * not matter to a plan; that they are there does.
 */
export function supposeMediated(world: World): World {
  if (!isRecorded(world) || world.machine.state !== 'running' || world.guest.state !== 'started')
    return world;
  const { policyRevision: revision } = world.record;
  if (revision === undefined) return world;
  const supposed: RecordedWorld = {
    ...world,
    egress: { policy: { state: 'in-force', revision, ports: SOME_PORTS, authority: SOME_AUTHORITY } },
    guest: {
      ...world.guest,
      trust: { state: 'installed', fingerprint: SOME_AUTHORITY.fingerprint },
    },
  };
  const mediation = mediationWanted(supposed);
  const guard = { state: 'guarded', ...(mediation === undefined ? {} : { mediation }) } as const;
  return { ...supposed, network: { ...supposed.network, guard } };
}

/** A fork as it will see its source when it is on record, and the source as its fork will find it. */
export async function supposeForking(
  world: World,
  see: (source: InstanceKey) => Promise<World>,
): Promise<World> {
  const source = world.forking?.source ?? (await sourceOf(world, see));
  if (source === undefined) return world;
  return { ...world, forking: { bases: [], ...world.forking, source: supposeItself(started(source)) } };
}

async function sourceOf(
  world: World,
  see: (source: InstanceKey) => Promise<World>,
): Promise<World | undefined> {
  if (world.record !== 'absent' || world.desired.is !== 'wanted') return undefined;
  const { fork } = forkingOf(world.key, world.desired.instance);
  return fork === undefined ? undefined : see(fork.instance);
}

/** One that is declared in the same files is started before. */
function started(source: World): World {
  if (source.record !== 'absent') return source;
  const { rounds, world } = foreseen(source);
  return rounds.at(-1)?.verdict === 'rest' ? world : source;
}

/** Whose identity a guest has, it tells to the controller alone. */
function supposeItself(source: World): World {
  const { guest } = source;
  if (!isKnown(source) || guest.state !== 'started') return source;
  return { ...source, guest: { ...guest, identity: source.record.identity.id } };
}

const SOME_PORTS = { explicit: 1, tls: 2, http: 3, dns: 4 };
const SOME_AUTHORITY = { certificate: '', fingerprint: 'supposed' };

async function machineAt(identityPath: string, bootId: string): Promise<MachineState> {
  const process = identityIn(await readIfThere(identityPath));
  if (process === undefined || !(await isAlive(process, bootId))) return { state: 'absent' };
  return { state: 'running', process };
}

function identityIn(text: string | undefined): ProcessIdentity | undefined {
  const found: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof found !== 'object' || found === null) return undefined;
  const { pid, startTime, bootId } = found as Partial<Record<keyof ProcessIdentity, unknown>>;
  if (typeof pid !== 'number' || typeof startTime !== 'number' || typeof bootId !== 'string')
    return undefined;
  return { pid, startTime, bootId };
}
