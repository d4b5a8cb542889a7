import type { ImageState } from '../../src/machine/image.ts';
import type { Action } from '../../src/plan/action.ts';
import { afterAction as foreseen } from '../../src/plan/foresee.ts';
import { plan } from '../../src/plan/plan.ts';
import type { Plan } from '../../src/plan/verdict.ts';
import type { World } from '../../src/plan/world.ts';
import { obeyed } from './host-laws.ts';
import { answerTo, startedIn, trusting, VALUES, withCredentials, withProxy } from './simulated-egress.ts';
import type { SimulatedEgress } from './simulated-egress.ts';
import { sourceWorld } from './fork-worlds.ts';
import { forksIn, keptFork, settledBase, withAnswers, withForks } from './simulated-forks.ts';
import type { SimulatedForks, SourceTemper } from './simulated-forks.ts';
import { imageOf, IDENTITY } from './worlds.ts';

/** How everything behaves that is not ours. */
export type Temper = {
  readonly guest: 'serves' | 'ends' | 'never starts';
  /** Whether init heeds a request to stop, and powers off when its exit is acknowledged. */
  readonly heedsStop: boolean;
  readonly powersOff: boolean;
  readonly registry: 'works' | 'refuses' | 'is away';
  /** Whether a CA can be installed in the guest, and whether a proxy that died is there again after a while. */
  readonly trusts: boolean;
  readonly proxy: 'comes back' | 'stays away';
  /** Whether there is room on the disk to suspend to, and whether a restore comes up. */
  readonly 'suspend-machine': 'works' | 'fails';
  readonly 'restore-machine': 'works' | 'fails';
  /** Whether there is room on the disk for more memory. */
  readonly 'grow-memory': 'works' | 'fails';
  readonly source: SourceTemper;
  /** Whether there is room on the disk for a base, and whether a fork's guest can become itself. */
  readonly 'freeze-machine': 'works' | 'fails';
  readonly 'identify-guest': 'works' | 'fails';
};

export const BENIGN: Temper = {
  ...{ guest: 'serves', heedsStop: true, powersOff: true },
  ...{ registry: 'works', trusts: true, proxy: 'comes back' },
  ...{ 'suspend-machine': 'works', 'restore-machine': 'works', 'grow-memory': 'works' },
  ...{ source: 'answers', 'freeze-machine': 'works', 'identify-guest': 'works' },
};

/** A host made of values: what a look would see of it, and what it has in store. */
export type SimulatedHost = {
  readonly world: World;
  readonly temper: Temper;
  readonly images: Readonly<Record<string, ImageState>>;
} & SimulatedEgress &
  SimulatedForks;

export function hostOf(world: World, temper: Temper = BENIGN): SimulatedHost {
  const reference = wantedImage(world);
  const images: Record<string, ImageState> = {};
  if (reference !== undefined) images[reference] = named(world.nextImage ?? { state: 'absent' }, reference);
  const pin = world.record === 'absent' ? undefined : world.record.image?.reference;
  const first = pin ?? reference;
  if (first !== undefined) images[first] = named(world.image, first);
  const remembered = world.egress.policy.state === 'in-force' ? world.egress.policy.revision : undefined;
  const forks = forksIn(world, sourceWorld());
  return seen({ ...{ world, temper, images, remembered }, values: VALUES, proxies: 0, ...forks });
}

/** The host after one action. Throws when the action breaks a law that no planner may break. */
export function afterAction(host: SimulatedHost, action: Action): SimulatedHost {
  obeyed(host.world, action);
  if (action.kind === 'pull-image') {
    const images = { ...host.images, [action.reference]: { state: 'pulling', progress: '0 %' } as const };
    return seen({ ...host, images });
  }
  const isBase = action.kind === 'settle-standby' && action.base !== undefined;
  const bases = isBase ? settledBase(host.bases, action.base) : host.bases;
  const world = worldAfter(host, action);
  return seen({ ...host, bases, remembered: rememberedAfter(host, action), world });
}

function rememberedAfter({ remembered }: SimulatedHost, action: Action): string | undefined {
  if (action.kind === 'put-policy') return action.revision;
  return action.kind === 'remove-policy' ? undefined : remembered;
}

/** What an action does that does not depend on temper is what `plan FILE` foresees of it. */
// eslint-disable-next-line complexity -- one line per kind of action: a table, not a decision
function worldAfter(host: SimulatedHost, action: Exclude<Action, { kind: 'pull-image' }>): World {
  const { world, temper } = host;
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the others do just what they say
  switch (action.kind) {
    case 'put-policy':
      return { ...world, egress: answerTo(host, action.revision) };
    case 'trust-authority':
      return { ...world, guest: trusting(world.guest, action.authority.fingerprint, temper.trusts) };
    case 'suspend-machine':
    case 'restore-machine':
      return temper[action.kind] === 'works' ? foreseen(world, action) : unsettled(world);
    case 'freeze-machine':
      return temper['freeze-machine'] === 'works' ? foreseen(world, action) : released(world);
    case 'identify-guest':
      return temper['identify-guest'] === 'works' ? foreseen(world, action) : unidentified(world);
    case 'grow-memory':
      return temper['grow-memory'] === 'works' ? foreseen(world, action) : world;
    case 'request-shutdown':
      return temper.heedsStop && world.machine.state === 'running' ? { ...world, guest: KILLED } : world;
    case 'acknowledge-exit':
      return temper.powersOff ? poweredOff(world, foreseen(world, action)) : world;
    default:
      return foreseen(world, action);
  }
}

function poweredOff(before: World, after: World): World {
  const isHeard = before.guest.state === 'exited';
  return isHeard ? { ...after, machine: { state: 'absent', ended: 'guest-shutdown' } } : before;
}

/** The guest is let go whatever comes of it. */
function released({ guest, ...world }: World): World {
  if (guest.state !== 'started') return { ...world, guest };
  const { held, ...free } = guest;
  return { ...world, guest: held === undefined ? guest : free };
}

function unidentified(world: World): World {
  const { guest } = world;
  const identityProblem = 'eth0 did not take the address';
  return guest.state === 'started' ? { ...world, guest: { ...guest, identityProblem } } : world;
}

/** A restore that fails has taken the memory up already, and lets go of it as it was. */
function unsettled(world: World): World {
  const { standby, host } = world;
  if (standby.state !== 'ready') return world;
  const manifest = { ...standby.manifest, unsettledOnBoot: host.bootId };
  return { ...world, standby: { ...standby, manifest, isSettled: false } };
}

const KILLED = {
  state: 'exited',
  exit: { code: 143, message: 'killed by signal 15 (SIGTERM)' },
} as const;

/** Time passes, and with it whatever the guest and the registry were about. */
export function elapse(host: SimulatedHost, ms: number): SimulatedHost {
  const { world, temper } = host;
  const images = Object.fromEntries(
    Object.entries(host.images).map(([reference, image]) => [reference, afterPull(image, reference, host)]),
  );
  const guest = world.machine.state === 'running' ? guestLater(world, temper) : world.guest;
  const later = { ...host, images, world: { ...world, guest, now: world.now + Math.max(1, ms) } };
  const answered = withAnswers(later, temper.source);
  return seen(temper.proxy === 'comes back' ? withProxy(answered) : answered);
}

function afterPull(image: ImageState, reference: string, { temper, world }: SimulatedHost): ImageState {
  if (image.state !== 'pulling') return image;
  if (temper.registry === 'works') return imageOf(reference);
  const fate = temper.registry === 'refuses' ? 'invalid' : 'transient';
  return { state: 'failed', fate, reason: 'ImagePullFailed', message: 'no', retryAt: world.now + 60_000 };
}

function guestLater(world: World, temper: Temper): World['guest'] {
  const { guest } = world;
  if (temper.guest === 'never starts' || guest.state === 'exited') return guest;
  if (guest.state !== 'started' || !guest.agentReady) return startedIn(world, temper.trusts);
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
  const { images } = host;
  const kept = { ...host.world, desired: keptFork(host.world) };
  const world = withForks({ ...host, world: kept });
  const reference = wantedImage(world);
  const pin = world.record === 'absent' ? undefined : world.record.image?.reference;
  const imageFor = (name: string | undefined): ImageState =>
    (name === undefined ? undefined : images[name]) ?? { state: 'absent' };
  const isOther = pin !== undefined && reference !== undefined && pin !== reference;
  return {
    ...host,
    world: {
      ...withoutNext(world),
      desired: withCredentials(world, host.values),
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
