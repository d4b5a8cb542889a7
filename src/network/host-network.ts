import { commandFailed } from '../host/exec.ts';
import type { LineWatch } from '../host/watch-lines.ts';
import type { Mediation } from '../machine/egress.ts';
import type { TapName } from '../machine/ids.ts';
import type { NetworkState, Shaping } from '../machine/network.ts';
import type { Identity } from '../machine/record.ts';
import { ifbFor, tapOf } from './device-names.ts';
import { Guard } from './guard.ts';
import { watchGuard } from './guard-watch.ts';
import { hostProblems } from './host-problems.ts';
import { inBatches } from './in-batches.ts';
import { inTurn } from './in-turn.ts';
import { gatewayOf, macFor } from './ipv4.ts';
import type { Subnet } from './ipv4.ts';
import { listNetwork, outputOf } from './listing.ts';
import type { Listing } from './listing.ts';
import type { OpenNetwork } from './network.ts';
import type { NetworkHost } from './network-host.ts';
import type { Guest } from './guest-elements.ts';
import { SharedListing } from './shared-listing.ts';
import { shapingOf, shapingSteps } from './shaping.ts';
import { tapAddressing, tapCreation, tapSysctls } from './tap.ts';

export type HostNetworkSettings = {
  readonly host: NetworkHost;
  readonly tag: string;
  readonly subnet: Subnet;
  /** Where guests' questions go now. */
  readonly resolvers: () => Promise<readonly string[]>;
  readonly onForeignChange: () => void;
  readonly now: () => number;
  readonly maxAgeMs: number;
};

/** How long the echo of a change of ours may take to come out of `nft monitor`. */
const ECHO_MS = 50;

/** Changes of the table are made one at a time, those of devices too: who waits for one shares the next. */
export class HostNetwork implements OpenNetwork {
  readonly #settings: HostNetworkSettings;
  readonly #shared: SharedListing;
  readonly #guard: Guard;
  readonly #inTurn = inTurn();
  readonly #plug: (identity: Identity) => Promise<void>;
  readonly #unplug: (tap: TapName) => Promise<void>;
  readonly #letIn: (guest: Guest) => Promise<void>;
  readonly #letGo: (tap: TapName) => Promise<void>;
  #resolversSeenMs = -Infinity;
  #wroteMs = -Infinity;
  #watch: LineWatch | undefined;

  constructor(settings: HostNetworkSettings, resolvers: readonly string[]) {
    const { host, tag, subnet } = settings;
    this.#settings = settings;
    this.#shared = new SharedListing(() => listNetwork(host, tag), settings);
    this.#guard = new Guard({ host, shared: this.#shared, tag, subnet }, resolvers);
    const devicesInTurn = inTurn();
    const write = <T>(task: () => Promise<T>): Promise<T> => this.#write(task);
    this.#plug = inBatches(devicesInTurn, (identities) => this.#createAll(identities));
    this.#unplug = inBatches(devicesInTurn, (taps) =>
      this.#changing(taps, (seen) =>
        this.#removeDevices(taps.flatMap((tap) => [tap, ifbFor(tap)]).filter((one) => seen.devices.has(one))),
      ),
    );
    this.#letIn = inBatches(write, (guests) =>
      this.#noting(
        guests.map(({ tap }) => tap),
        () => this.#guard.letIn(guests),
      ),
    );
    this.#letGo = inBatches(write, (taps) => this.#changing(taps, (seen) => this.#guard.letGo(taps, seen)));
  }

  /** Takes over the table of an earlier controller, whose rules may be of another version. */
  async takeOver(): Promise<void> {
    const seen = await this.#shared.anew();
    if (seen.ruleset !== 'absent') await this.#write(() => this.#guard.writeWhole());
  }

  /** Until `close`. */
  watch(): void {
    this.#watch = watchGuard({
      host: this.#settings.host,
      tag: this.#settings.tag,
      isBusy: () => this.#inTurn.waiting() > 0 || this.#settings.now() - this.#wroteMs < ECHO_MS,
      check: () => this.#check(),
    });
  }

  async look(identity: Identity): Promise<NetworkState> {
    await this.#followResolvers();
    const { tap } = identity;
    const seen = await this.#shared.freshFor(tap);
    const isUp = isReady(seen, identity);
    return {
      tap: isUp ? { state: 'up', name: tap } : { state: 'absent' },
      guard: isUp
        ? this.#guard.guardOf(seen, guestOf(identity))
        : { state: this.#guard.knows(seen, tap) ? 'guarded' : 'open' },
      shaping: shapingOf(seen, tap),
    };
  }

  async createTap(identity: Identity): Promise<void> {
    await this.#plug(identity);
  }

  async guardTap(identity: Identity, mediation?: Mediation): Promise<void> {
    const guest = guestOf(identity);
    await this.#letIn(mediation === undefined ? guest : { ...guest, mediation });
  }

  async shapeTap({ tap }: Identity, shaping: Shaping): Promise<void> {
    await this.#changing([tap], async (seen) => {
      const steps = shapingSteps(tap, shaping, seen);
      await this.#batch('ip', steps.ip);
      await this.#batch('tc', steps.tc);
      await this.#batch('ip', steps.ipAfterwards);
    });
  }

  async remove({ tap }: Identity): Promise<void> {
    await this.#unplug(tap);
    await this.#letGo(tap);
  }

  async collect(isKnown: (tap: TapName) => boolean): Promise<readonly string[]> {
    return this.#write(async () => {
      const seen = await this.#shared.anew();
      const isStray = (name: string): boolean => {
        const tap = tapOf(name, this.#settings.tag);
        return tap !== undefined && !isKnown(tap);
      };
      const devices = [...seen.devices.keys()].filter(isStray);
      const taps = this.#guard.tapsIn(seen).filter(isStray);
      await this.#removeDevices(devices);
      await this.#guard.letGo(taps, seen);
      this.#shared.allChanged();
      return [...devices.map((name) => `network device ${name}`), ...taps.map((tap) => `guard of ${tap}`)];
    });
  }

  async problems(): Promise<readonly string[]> {
    const { host, resolvers } = this.#settings;
    return hostProblems(host, await resolvers());
  }

  close(): Promise<void> {
    this.#watch?.close();
    return Promise.resolve();
  }

  /** What somebody did to the ruleset may have been none of our business. In turn, so that we did not do it. */
  async #check(): Promise<void> {
    try {
      const isIntact = await this.#inTurn(async () => this.#guard.isIntact(await this.#shared.anew()));
      if (!isIntact) this.#settings.onForeignChange();
    } catch {
      // Unknown counts as broken; the looks that follow say why.
      this.#settings.onForeignChange();
    }
  }

  /** The host moved to another network: its guests' questions go with it. */
  async #followResolvers(): Promise<void> {
    const { now, maxAgeMs, resolvers } = this.#settings;
    if (now() - this.#resolversSeenMs <= maxAgeMs) return;
    this.#resolversSeenMs = now();
    const wanted = await resolvers();
    if (wanted.join() === this.#guard.resolvers.join()) return;
    await this.#write(() => this.#guard.follow(wanted));
  }

  async #createAll(identities: readonly Identity[]): Promise<void> {
    const { host, subnet } = this.#settings;
    const taps = identities.map(({ tap }) => tap);
    await this.#changing(taps, async (seen) => {
      const { devices } = seen;
      const unready = identities.filter((one) => !isReady(seen, one));
      const absent = unready.filter(({ tap, owner }) => devices.get(tap)?.owner !== owner.uid);
      const strangers = absent.filter(({ tap }) => devices.has(tap));
      await this.#batch('ip', strangers.map(({ tap }) => `link del ${tap}\n`).join(''));
      const gatewayMac = macFor(gatewayOf(subnet));
      await this.#batch('ip', absent.map((one) => tapCreation(one, gatewayMac)).join(''));
      await Promise.all(unready.map((one) => host.writeSysctls(tapSysctls(one))));
      await this.#batch('ip', unready.map(tapAddressing).join(''));
    });
  }

  /** With a listing from before, and a note that it is out of date after. */
  async #changing(taps: readonly string[], change: (seen: Listing) => Promise<void>): Promise<void> {
    const seen = await this.#shared.freshFor(...taps);
    await this.#noting(taps, () => change(seen));
  }

  async #noting(taps: readonly string[], change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } finally {
      for (const tap of taps) this.#shared.changed(tap);
    }
  }

  async #write<T>(task: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      try {
        return await task();
      } finally {
        this.#wroteMs = this.#settings.now();
      }
    });
  }

  async #batch(program: 'ip' | 'tc', lines: string): Promise<void> {
    if (lines !== '') await outputOf(this.#settings.host, program, ['-batch', '-'], lines);
  }

  /** One that went meanwhile is one less to remove. */
  async #removeDevices(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const lines = names.map((name) => `link del ${name}\n`).join('');
    const { exitCode, stderr } = await this.#settings.host.run('ip', ['-force', '-batch', '-'], lines);
    const others = stderr.split('\n').filter((line) => !/^(Cannot find device|Command failed|$)/.test(line));
    if (exitCode !== 0 && others.length > 0) throw commandFailed('ip', exitCode, others.join('\n'));
  }
}

function isReady(seen: Listing, { tap, ip, owner }: Identity): boolean {
  const device = seen.devices.get(tap);
  return device?.owner === owner.uid && device.isUp && seen.routes.get(ip) === tap;
}

function guestOf({ tap, mac, ip }: Identity): Guest {
  return { tap, mac, ip };
}
