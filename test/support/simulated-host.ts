import { unreachable } from '../../src/errors.ts';
import type { ImageState } from '../../src/machine/image.ts';
import type { Action } from '../../src/plan/action.ts';
import { plan } from '../../src/plan/plan.ts';
import type { Plan } from '../../src/plan/verdict.ts';
import type { World } from '../../src/plan/world.ts';
import { obeyed } from './host-laws.ts';
import { imageOf, IDENTITY, NOW, RUNNING } from './worlds.ts';

/** How everything behaves that is not ours. */
export type Temper = {
  readonly guest: 'serves' | 'ends' | 'never starts';
  /** Whether init heeds a request to stop, and powers off when its exit is acknowledged. */
  readonly heedsStop: boolean;
  readonly powersOff: boolean;
  readonly registry: 'works' | 'refuses' | 'is away';
};

export const BENIGN: Temper = { guest: 'serves', heedsStop: true, powersOff: true, registry: 'works' };

/** A host made of values: what a look would see of it, and what it has in store. */
export type SimulatedHost = {
  readonly world: World;
  readonly temper: Temper;
  readonly images: Readonly<Record<string, ImageState>>;
};

export function hostOf(world: World, temper: Temper = BENIGN): SimulatedHost {
  const reference = wantedImage(world);
  const images: Record<string, ImageState> = {};
  if (reference !== undefined) images[reference] = named(world.nextImage ?? { state: 'absent' }, reference);
  const pin = world.record === 'absent' ? undefined : world.record.image?.reference;
  const first = pin ?? reference;
  if (first !== undefined) images[first] = named(world.image, first);
  return seen({ world, temper, images });
}

/** The host after one action. Throws when the action breaks a law that no planner may break. */
export function afterAction(host: SimulatedHost, action: Action): SimulatedHost {
  obeyed(host.world, action);
  if (action.kind === 'pull-image') {
    const images = { ...host.images, [action.reference]: { state: 'pulling', progress: '0 %' } as const };
    return seen({ ...host, images });
  }
  return seen({ ...host, world: { ...host.world, ...changeBy(host, action) } });
}

// eslint-disable-next-line complexity -- one line per kind of action: a table, not a decision
function changeBy(
  { world, temper }: SimulatedHost,
  action: Exclude<Action, { kind: 'pull-image' }>,
): Partial<World> {
  switch (action.kind) {
    case 'write-record':
      return { record: action.record };
    case 'create-overlay':
    case 'grow-overlay':
      return { overlay: { state: 'ready', bytes: action.bytes } };
    case 'remove-overlay':
      return { overlay: { state: 'absent' } };
    case 'create-tap':
      return { network: { ...world.network, tap: { state: 'up', name: action.identity.tap } } };
    case 'guard-tap':
      return {
        network: {
          ...world.network,
          guard: {
            state: 'guarded',
            ...(action.mediation === undefined ? {} : { mediation: action.mediation }),
          },
        },
      };
    case 'shape-tap':
      return { network: { ...world.network, shaping: action.shaping } };
    case 'remove-network':
      return { network: { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} } };
    case 'put-policy':
      return { egress: { policy: { state: 'in-force', revision: action.revision, ...PROXY } } };
    case 'remove-policy':
      return { egress: { policy: { state: 'absent' } } };
    case 'trust-authority':
      return world.guest.state === 'started'
        ? {
            guest: {
              ...world.guest,
              trust: { state: 'installed', fingerprint: action.authority.fingerprint },
            },
          }
        : {};
    case 'write-boot':
      return { boot: { state: 'ready', fields: action.fields } };
    case 'start-machine':
      return {
        machine: RUNNING,
        ...(world.machine.state === 'running' ? {} : { guest: { state: 'silent' } }),
      };
    case 'request-shutdown':
      return temper.heedsStop && world.machine.state === 'running'
        ? { guest: { state: 'exited', exit: { code: 143, message: 'killed by signal 15 (SIGTERM)' } } }
        : {};
    case 'acknowledge-exit':
      return temper.powersOff && world.guest.state === 'exited'
        ? { machine: { state: 'absent', ended: 'guest-shutdown' }, guest: { state: 'silent' } }
        : {};
    case 'kill-machine':
      return { machine: { state: 'absent' }, guest: { state: 'silent' } };
    case 'forget-instance':
      return { record: 'absent', overlay: { state: 'absent' }, boot: { state: 'absent' } };
    default:
      return unreachable(action);
  }
}

/** What the proxy of this host answers to every policy. */
const PROXY = {
  ports: { explicit: 40_001, tls: 40_002, http: 40_003, dns: 40_004 },
  authority: { certificate: 'the CA', fingerprint: 'f00d' },
} as const;

/** Time passes, and with it whatever the guest and the registry were about. */
export function elapse(host: SimulatedHost, ms: number): SimulatedHost {
  const { world, temper } = host;
  const images = Object.fromEntries(
    Object.entries(host.images).map(([reference, image]) => [reference, afterPull(image, reference, host)]),
  );
  const guest = world.machine.state === 'running' ? guestLater(world.guest, temper) : world.guest;
  return seen({ ...host, images, world: { ...world, guest, now: world.now + Math.max(1, ms) } });
}

function afterPull(image: ImageState, reference: string, { temper, world }: SimulatedHost): ImageState {
  if (image.state !== 'pulling') return image;
  if (temper.registry === 'works') return imageOf(reference);
  const fate = temper.registry === 'refuses' ? 'invalid' : 'transient';
  return { state: 'failed', fate, reason: 'ImagePullFailed', message: 'no', retryAt: world.now + 60_000 };
}

function guestLater(guest: World['guest'], temper: Temper): World['guest'] {
  if (temper.guest === 'never starts' || guest.state === 'exited') return guest;
  if (guest.state !== 'started' || !guest.agentReady)
    return { state: 'started', startedAt: NOW, agentReady: true };
  return temper.guest === 'ends' ? { state: 'exited', exit: { code: 1, message: 'exit code 1' } } : guest;
}

/** One pass of the loop over a host. `cut` leaves out the actions from there on, as a crash would. */
export function pass(
  host: SimulatedHost,
  cut?: number,
): { readonly host: SimulatedHost; readonly plan: Plan } {
  const next = plan(host.world);
  const done = next.actions.slice(0, cut).reduce(afterAction, host);
  return { host: done, plan: next };
}

export type Settled = {
  readonly host: SimulatedHost;
  readonly plan: Plan;
  readonly rounds: number;
  readonly starts: number;
};

/** Passes, each after the wait that the one before asked for, until nothing is left to do or to wait for. */
export function settle(start: SimulatedHost, mostRounds: number): Settled {
  let host = start;
  let starts = 0;
  for (let rounds = 0; ; rounds++) {
    const after = pass(host);
    starts += after.plan.actions.filter(({ kind }) => kind === 'start-machine').length;
    const isOver = after.plan.actions.length === 0 && after.plan.lookAgainMs === undefined;
    if (isOver || rounds === mostRounds) return { host: after.host, plan: after.plan, rounds, starts };
    host = elapse(after.host, after.plan.lookAgainMs ?? 1);
  }
}

/** What a look makes of it: which image is meant depends on what is pinned by now. */
export function seen(host: SimulatedHost): SimulatedHost {
  const { world, images } = host;
  const reference = wantedImage(world);
  const pin = world.record === 'absent' ? undefined : world.record.image?.reference;
  const imageFor = (name: string | undefined): ImageState =>
    (name === undefined ? undefined : images[name]) ?? { state: 'absent' };
  const isOther = pin !== undefined && reference !== undefined && pin !== reference;
  return {
    ...host,
    world: {
      ...withoutNext(world),
      proposal: IDENTITY,
      image: imageFor(pin ?? reference),
      ...(isOther ? { nextImage: imageFor(reference) } : {}),
    },
  };
}

function withoutNext(world: World): World {
  const copy: { -readonly [K in keyof World]: World[K] } = { ...world };
  delete copy.nextImage;
  return copy;
}

function wantedImage({ desired }: World): string | undefined {
  return desired.is === 'wanted' ? desired.instance.spec.image : undefined;
}

function named(image: ImageState, reference: string): ImageState {
  return image.state === 'ready' ? imageOf(reference) : image;
}
