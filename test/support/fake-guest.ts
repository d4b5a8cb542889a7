import { HypemanError } from '../../src/errors.ts';
import { openFakeDriver } from '../../src/drivers/fake/driver.ts';
import { emptyWorld, endVmm, tell } from '../../src/drivers/fake/world.ts';
import type { FakeEvent, FakeWorld } from '../../src/drivers/fake/world.ts';
import type { GuestLinks, GuestListener } from '../../src/guest/guest-links.ts';
import type { Driver, MachineListener } from '../../src/machine/driver.ts';
import type { GuestState } from '../../src/machine/guest.ts';
import { instanceId } from '../../src/machine/ids.ts';
import type { InstanceId } from '../../src/machine/ids.ts';
import type { Machine } from '../../src/machine/machine.ts';

/** How one guest behaves. */
export type GuestScript = {
  /** From the vCPUs' first instruction to the program; never for one that hangs at boot. */
  readonly bootMs: number | 'never';
  readonly agentReady: boolean;
  /** What it does when asked to shut down, by init or by the power button. */
  readonly onShutdown: 'exits' | 'ignores';
};

export type FakeHostOptions = {
  readonly onMachine: MachineListener;
  readonly onGuest: GuestListener;
  /** What differs from a guest that boots at once and obeys. */
  readonly scriptFor?: (machine: Machine) => Partial<GuestScript>;
  /** The world of an earlier controller: its machines and guests run on. */
  readonly world?: FakeGuestWorld;
};

/** Machines and what runs in them; outlives the controllers that open it. */
type FakeGuestWorld = FakeWorld & {
  readonly guests: Map<InstanceId, FakeGuest>;
  readonly guestListeners: Set<GuestListener>;
  /** Who a guest is that goes on from a snapshot; not among them: a fork that was not told yet. */
  readonly identified: Set<InstanceId>;
};

type FakeGuest = { state: GuestState; readonly script: GuestScript; readonly boot?: NodeJS.Timeout };

/** What a test does to a host, beside what the controller asks for. */
export type FakeHost = {
  readonly world: FakeGuestWorld;
  readonly driver: Driver;
  readonly links: GuestLinks;
  /** The program ends by itself; the machine powers off once that is acknowledged. */
  exit(id: InstanceId, code: number): void;
  /** The VMM dies without a word. */
  crash(id: InstanceId): void;
  /** The VMM lives and does not answer, until it does again. */
  setAnswering(id: InstanceId, answers: boolean): void;
  /** As a controller that ends: what runs runs on. */
  close(): Promise<void>;
};

const OBEDIENT: GuestScript = { bootMs: 0, agentReady: true, onShutdown: 'exits' };

/** A host of fake machines with fake guests in them, light enough for ten thousand. */
export function openFakeHost(options: FakeHostOptions): FakeHost {
  const world = options.world ?? emptyGuestWorld(options.scriptFor ?? (() => ({})));
  const driver = openFakeDriver({ world, onChange: options.onMachine });
  const links = linksOf(world);
  // After the links, so that they know already when the controller is told.
  world.guestListeners.add(options.onGuest);
  return {
    world,
    driver,
    links,
    exit: (id, code) => {
      exitProgram(world, id, code);
    },
    crash: (id) => {
      endVmm(world, id);
    },
    setAnswering: (id, answers) => {
      const vmm = world.vmms.get(id);
      if (vmm !== undefined) vmm.answers = answers;
      tell(world, { kind: 'changed', id });
    },
    close: async () => {
      world.guestListeners.delete(options.onGuest);
      links.close();
      await driver.close();
    },
  };
}

function emptyGuestWorld(scriptFor: (machine: Machine) => Partial<GuestScript>): FakeGuestWorld {
  const world: FakeGuestWorld = {
    ...emptyWorld(),
    guests: new Map(),
    guestListeners: new Set(),
    identified: new Set(),
  };
  world.listeners.add((event: FakeEvent) => {
    const scriptOf = (machine: Machine): GuestScript => ({ ...OBEDIENT, ...scriptFor(machine) });
    if (event.kind === 'started') bootGuest(world, event.machine, scriptOf(event.machine));
    if (event.kind === 'restored') resumeGuest(world, event.machine, scriptOf(event.machine));
    if (event.kind === 'power-button') shutDown(world, event.id);
    if (event.kind === 'ended') removeGuest(world, event.id);
  });
  return world;
}

function bootGuest(world: FakeGuestWorld, { id }: Machine, script: GuestScript): void {
  const boot =
    script.bootMs === 'never'
      ? undefined
      : setTimeout(() => {
          const { agentReady } = script;
          say(world, id, { state: 'started', startedAt: Date.now(), agentReady, identity: id });
        }, script.bootMs);
  world.identified.add(id);
  world.guests.set(id, { state: { state: 'booting' }, script, ...(boot === undefined ? {} : { boot }) });
}

function resumeGuest(world: FakeGuestWorld, { id }: Machine, script: GuestScript): void {
  if (world.guests.has(id)) return;
  world.guests.set(id, { state: { state: 'booting' }, script });
  const identity = world.identified.has(id) ? id : instanceId('source');
  const { agentReady } = script;
  say(world, id, { state: 'started', startedAt: Date.now(), agentReady, identity });
}

function removeGuest(world: FakeGuestWorld, id: InstanceId): void {
  clearTimeout(world.guests.get(id)?.boot);
  world.guests.delete(id);
}

function shutDown(world: FakeGuestWorld, id: InstanceId): void {
  if (world.guests.get(id)?.script.onShutdown === 'exits') exitProgram(world, id, 143);
}

function exitProgram(world: FakeGuestWorld, id: InstanceId, code: number): void {
  const guest = world.guests.get(id);
  if (guest === undefined || guest.state.state === 'exited') return;
  clearTimeout(guest.boot);
  say(world, id, { state: 'exited', exit: { code, message: `the program ended with code ${code}` } });
}

function say(world: FakeGuestWorld, id: InstanceId, state: GuestState): void {
  const guest = world.guests.get(id);
  if (guest === undefined) return;
  guest.state = state;
  for (const listener of world.guestListeners) listener(id);
}

type Started = Extract<GuestState, { readonly state: 'started' }>;

/** What init does to a guest whose program runs. */
function change(world: FakeGuestWorld, id: InstanceId, become: (guest: Started) => Started): void {
  const guest = world.guests.get(id)?.state;
  if (guest?.state === 'started') say(world, id, become(guest));
}

function withoutHold(guest: Started): Started {
  const going: { -readonly [K in keyof Started]: Started[K] } = { ...guest };
  delete going.held;
  return going;
}

function linksOf(world: FakeGuestWorld): GuestLinks {
  const unreachable = (): Promise<never> =>
    Promise.reject(new HypemanError('transient', 'GuestUnreachable', 'a fake guest runs no programs'));
  const told = new Map<InstanceId, GuestState>();
  const hear = (id: InstanceId): GuestState => {
    const state = world.guests.get(id)?.state ?? { state: 'silent' };
    if (state.state !== 'silent') told.set(id, state);
    return state;
  };
  world.guestListeners.add(hear);
  return {
    look: hear,
    lastTold: (id) => told.get(id) ?? { state: 'silent' },
    drop: (id) => {
      told.delete(id);
    },
    acknowledgeExit: (id) => {
      if (world.guests.get(id)?.state.state === 'exited') endVmm(world, id, 'guest-shutdown');
    },
    shutdown: (id) => {
      shutDown(world, id);
    },
    trustAuthority: (id, { fingerprint }) => {
      change(world, id, (guest) => ({ ...guest, trust: { state: 'installed', fingerprint } }));
    },
    hold: (id) => {
      change(world, id, (guest) => ({ ...guest, held: true }));
    },
    release: (id) => {
      change(world, id, withoutHold);
    },
    heldForMs: (id) => {
      const state = world.guests.get(id)?.state;
      return state?.state === 'started' && state.held === true ? 0 : undefined;
    },
    identify: (id, { authority }) => {
      world.identified.add(id);
      change(world, id, (guest) => ({
        ...withoutHold(guest),
        identity: id,
        trust:
          authority === undefined
            ? { state: 'none' }
            : { state: 'installed', fingerprint: authority.fingerprint },
      }));
    },
    setClock: () => true,
    reseed: () => true,
    exec: unreachable,
    stat: unreachable,
    read: unreachable,
    write: unreachable,
    close: () => {
      world.guestListeners.delete(hear);
    },
  };
}
