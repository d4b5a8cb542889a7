import { unreachable } from '../errors.ts';
import type { ImageState } from '../machine/image.ts';
import { pluggedBytes } from '../machine/hotplug.ts';
import type { MachineState, ProcessIdentity } from '../machine/machine.ts';
import type { Action } from './action.ts';
import { heldPolicy } from './mediation.ts';
import { endAtSource, forkedAfter, recordedAs } from './foreseen-fork.ts';
import { plan } from './plan.ts';
import { settledOf, standbyOf } from './foreseen-standby.ts';
import type { Plan } from './verdict.ts';
import { volumesAfter } from './foresee-volumes.ts';
import type { World } from './world.ts';

/** More rounds than any ladder has rungs. */
const MOST_ROUNDS = 40;
const NOBODY: ProcessIdentity = { pid: 0, startTime: 0, bootId: '' };

/**
 * What would happen if everything went well, for `plan FILE`: each step as the planner takes it, until
 * rest. Nothing is acted upon, and no real action ever rests on it.
 */
export function foresee(world: World): readonly Plan[] {
  return foreseen(world).rounds;
}

/** The steps as `foresee` tells them, and the world after them. */
export function foreseen(world: World): { readonly rounds: readonly Plan[]; readonly world: World } {
  const rounds: Plan[] = [];
  let current = world;
  while (rounds.length < MOST_ROUNDS) {
    const planned = plan(current);
    const end = endAtSource(current, planned);
    const next = end ?? planned;
    rounds.push(next);
    if (end !== undefined) break;
    if (next.actions.length === 0 && next.lookAgainMs === undefined) break;
    current = later(next.actions.reduce(afterAction, current), next.lookAgainMs ?? 1);
  }
  return { rounds, world: current };
}

/** The world if the action did what it says, and nothing else happened. */
// eslint-disable-next-line complexity, max-lines-per-function -- one line per kind of action: a table, not a decision
export function afterAction(world: World, action: Action): World {
  switch (action.kind) {
    case 'write-record':
      return recordedAs(world, action.record);
    case 'pull-image':
      return withImage(world, { state: 'pulling', progress: '' });
    case 'create-overlay':
    case 'grow-overlay':
      return { ...world, overlay: { state: 'ready', bytes: action.bytes } };
    case 'create-volume':
    case 'grow-volume':
    case 'fit-volume-layer':
      return { ...world, volumes: volumesAfter(world.volumes, action) };
    case 'remove-overlay':
      return { ...world, overlay: { state: 'absent' } };
    case 'create-tap':
      return { ...world, network: { ...world.network, tap: { state: 'up', name: action.identity.tap } } };
    case 'guard-tap':
      return { ...world, network: { ...world.network, guard: guardedBy(action) } };
    case 'shape-tap':
      return { ...world, network: { ...world.network, shaping: action.shaping } };
    case 'remove-network':
      return { ...world, network: { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} } };
    case 'put-policy':
      return { ...world, egress: { policy: { ...FORESEEN_POLICY, revision: action.revision } } };
    case 'remove-policy':
      return { ...world, egress: { policy: { state: 'absent' } } };
    case 'trust-authority':
      return { ...world, guest: trusting(world.guest, action.authority.fingerprint) };
    case 'write-boot':
      return { ...world, boot: { state: 'ready', fields: action.fields } };
    case 'start-machine':
      return startedFrom(world, action);
    case 'throttle-disks':
      return { ...world, machine: throttledTo(world, action) };
    case 'suspend-machine':
      return {
        ...world,
        machine: { state: 'absent' },
        guest: { state: 'silent' },
        standby: standbyOf(world, action),
      };
    case 'settle-standby':
      return { ...world, standby: settledOf(world.standby) };
    case 'grow-memory':
      return { ...world, machine: grownTo(world, action) };
    case 'restore-machine':
      return { ...restoredFrom(world, action), standby: { state: 'absent' } };
    case 'discard-standby':
      return { ...world, standby: { state: 'absent' } };
    case 'refresh-guest':
    case 'keep-inheritance':
      return world;
    case 'hold-guest':
    case 'release-guest':
    case 'freeze-machine':
    case 'freeze-disks':
    case 'clone-disks':
    case 'identify-guest':
      return forkedAfter(world, action);
    case 'request-shutdown':
      return { ...world, guest: { state: 'exited', exit: { message: 'stopped' } } };
    case 'acknowledge-exit':
    case 'kill-machine':
      return { ...world, machine: { state: 'absent' }, guest: { state: 'silent' } };
    case 'forget-instance':
      return { ...world, record: 'absent', overlay: { state: 'absent' }, boot: { state: 'absent' } };
    default:
      return unreachable(action);
  }
}

/** With what was plugged in before. */
function restoredFrom(world: World, action: Restoring): World {
  const { hotplug } = action.machine;
  const plugged = hotplug === undefined || hotplug.dimms.length === 0 ? {} : { dimms: hotplug.dimms };
  const started = startedFrom(world, action);
  return { ...started, machine: { ...started.machine, ...plugged } };
}

type Restoring = Extract<Action, { kind: 'restore-machine' }>;

function startedFrom(
  world: World,
  { hypervisor, machine: { diskBytesPerSecond = 0 } }: Restoring | Starting,
): World & { readonly machine: Running } {
  const isAble = world.host.drivers[hypervisor]?.abilities?.diskThrottle === true;
  const limit = isAble ? { diskBytesPerSecond } : {};
  return { ...world, machine: { state: 'running', process: NOBODY, ...limit }, guest: { state: 'silent' } };
}

type Running = Extract<MachineState, { state: 'running' }>;
type Starting = Extract<Action, { kind: 'start-machine' }>;

function throttledTo({ machine }: World, { bytesPerSecond }: Throttling): MachineState {
  if (machine.state !== 'running' && machine.state !== 'paused') return machine;
  return { ...machine, diskBytesPerSecond: bytesPerSecond };
}

type Throttling = Extract<Action, { kind: 'throttle-disks' }>;

/** As one more block; where the guest sees it, only the hypervisor knows. */
function grownTo({ machine }: World, { machine: wanted, bytes }: Growing): MachineState {
  if (machine.state !== 'running') return machine;
  const dimms = wanted.hotplug?.dimms ?? [];
  const missing = bytes - wanted.memoryBytes - pluggedBytes(dimms);
  return { ...machine, dimms: [...dimms, { slot: dimms.length, address: 0, bytes: missing }] };
}

type Growing = Extract<Action, { kind: 'grow-memory' }>;
type Guarding = Extract<Action, { kind: 'guard-tap' }>;

function guardedBy({ mediation }: Guarding): World['network']['guard'] {
  return { state: 'guarded', ...(mediation === undefined ? {} : { mediation }) };
}

/** Ports and CA are known only when there is a proxy to have them. */
const FORESEEN_POLICY = {
  state: 'in-force',
  ports: { explicit: 1, tls: 2, http: 3, dns: 4 },
  authority: { certificate: '', fingerprint: '' },
} as const;

function trusting(guest: World['guest'], fingerprint: string | undefined): World['guest'] {
  if (guest.state !== 'started' || fingerprint === undefined) return guest;
  return { ...guest, trust: { state: 'installed', fingerprint } };
}

/** Time passes: a pull has ended well, a guest that boots has started its program. */
function later(world: World, ms: number): World {
  const { machine, guest } = world;
  const isBooting = machine.state === 'running' && (guest.state === 'silent' || guest.state === 'booting');
  return withImage(
    {
      ...world,
      now: world.now + Math.max(1, ms),
      guest: isBooting ? startedIn(world) : guest,
    },
    PULLED,
    'pulling',
  );
}

/** Init has installed the CA that it was told of, before the program. */
function startedIn(world: World): World['guest'] {
  const held = heldPolicy(world);
  const started = { state: 'started', startedAt: world.now, agentReady: true } as const;
  return trusting({ ...started, trust: { state: 'none' } }, held?.authority.fingerprint);
}

/** Before it is pulled, an image is what it says it is: some content with some program. */
const PULLED: ImageState = {
  state: 'ready',
  digest: '(resolved by the pull)',
  rootDisk: '(unpacked by the pull)',
  config: { entrypoint: [], cmd: ["(the image's own)"], env: {}, workdir: '/', user: '', stopSignal: '' },
};

/** The image that is worked on: the next one where another is pinned already. */
function withImage(world: World, image: ImageState, onlyFrom?: ImageState['state']): World {
  const { nextImage } = world;
  if (nextImage === undefined)
    return onlyFrom === undefined || world.image.state === onlyFrom ? { ...world, image } : world;
  return onlyFrom === undefined || nextImage.state === onlyFrom ? { ...world, nextImage: image } : world;
}
