import { commandFailed } from '../host/exec.ts';
import { ipv4Text, gatewayOf } from './ipv4.ts';
import type { Subnet } from './ipv4.ts';
import { TAP_CHAIN } from './listed-ruleset.ts';
import type { Listing } from './listing.ts';
import { outputOf } from './listing.ts';
import type { NetworkHost } from './network-host.ts';
import { closing, isClosed, opening } from './routing.ts';
import type { NetworkState } from '../machine/network.ts';
import { guestOfElements, isAllOf, nameOf, elementsOf } from './guest-elements.ts';
import type { Element, Guest } from './guest-elements.ts';
import type { Policy } from './policy.ts';
import { admission, dismissal, removedTables, wholeRuleset } from './ruleset.ts';
import type { SharedListing } from './shared-listing.ts';

export type GuardSettings = {
  readonly host: NetworkHost;
  readonly shared: SharedListing;
  readonly tag: string;
  readonly subnet: Subnet;
};

/**
 * Our tables and the routing rules that close the pool without it. Who calls has the one lock: `letIn`,
 * `letGo` and `writeWhole` must not overlap. What the kernel printed right after we wrote is what the table must
 * look like ever after; anything else is somebody's change and counts as an open guard.
 */
export class Guard {
  readonly #settings: GuardSettings;
  /** Whom we let in or found let in: who comes back at once when somebody flushed the rules. */
  readonly #guests = new Map<string, Guest>();
  #resolvers: readonly string[];
  #written: string | undefined;

  constructor(settings: GuardSettings, resolvers: readonly string[]) {
    this.#settings = settings;
    this.#resolvers = resolvers;
  }

  get resolvers(): readonly string[] {
    return this.#resolvers;
  }

  /** As it stands in the kernel. A guard of which anything is missing or too much is open. */
  guardOf(seen: Listing, { tap, mac, ip }: Guest): NetworkState['guard'] {
    if (!this.#isWhole(seen) || seen.ruleset === 'absent') return { state: 'open' };
    const elements = seen.ruleset.elements.get(tap) ?? [];
    const { mediation } = guestOfElements(elements) ?? {};
    const whole = { tap, mac, ip, ...(mediation === undefined ? {} : { mediation }) };
    if (seen.ruleset.tapChains.get(tap) !== TAP_CHAIN || !isAllOf(whole, elements)) return { state: 'open' };
    return { state: 'guarded', ...(mediation === undefined ? {} : { mediation }) };
  }

  /** Something of the tap is in the table. */
  knows({ ruleset }: Listing, tap: string): boolean {
    return ruleset !== 'absent' && (ruleset.elements.has(tap) || ruleset.tapChains.has(tap));
  }

  /** Everybody of whom something is in the table. */
  tapsIn({ ruleset }: Listing): readonly string[] {
    return ruleset === 'absent'
      ? []
      : [...new Set([...ruleset.elements.keys(), ...ruleset.tapChains.keys()])];
  }

  /** True when everybody who was let in and still has a tap is guarded as he was. */
  isIntact(seen: Listing): boolean {
    return [...this.#guests.values()].every((guest) => {
      if (!seen.devices.has(guest.tap)) return true;
      const elements = seen.ruleset === 'absent' ? [] : (seen.ruleset.elements.get(guest.tap) ?? []);
      return this.guardOf(seen, guest).state === 'guarded' && isAllOf(guest, elements);
    });
  }

  /**
   * Elements and one chain each, in place of what they had, in one transaction; the whole table when that is not as
   * we wrote it. Throws when several cannot be let in together.
   */
  async letIn(guests: readonly Guest[]): Promise<void> {
    const { host, shared } = this.#settings;
    const seen = await shared.latest();
    for (const guest of guests) this.#guests.set(guest.tap, guest);
    if (!this.#isWhole(seen) || seen.ruleset === 'absent') return this.writeWhole();
    const { elements } = seen.ruleset;
    const text = guests.map((guest) => this.#entryFor(guest, elements.get(guest.tap) ?? [])).join('\n');
    const { exitCode, stderr } = await host.run('nft', ['-f', '-'], `${text}\n`);
    if (exitCode === 0) return;
    if (guests.length > 1) throw commandFailed('nft', exitCode, stderr);
    // Somebody changed the table after it was seen: nothing of this was done.
    await this.writeWhole();
  }

  /** The taps are gone. With the last guest, everything goes. */
  async letGo(taps: readonly string[], seen: Listing): Promise<void> {
    const { host, tag } = this.#settings;
    for (const tap of taps) this.#guests.delete(tap);
    // Others may have gone after `seen`, so the last one looks again.
    if (this.#guests.size === 0 && (await this.#isEmptied(taps))) return;
    if (seen.ruleset === 'absent') return;
    const { elements, tapChains } = seen.ruleset;
    const text = dismissal(
      tag,
      taps.flatMap((tap) => elements.get(tap) ?? []),
      taps.filter((tap) => tapChains.has(tap)),
    );
    if (text.trim() === '') return;
    const { exitCode, stderr } = await host.run('nft', ['-f', '-'], text);
    if (exitCode !== 0 && !stderr.includes('No such file')) throw commandFailed('nft', exitCode, stderr);
  }

  /** Everything anew in one transaction, for all who are guests and have a tap. */
  async writeWhole(resolvers: readonly string[] = this.#resolvers): Promise<void> {
    const { host, shared, subnet } = this.#settings;
    const seen = await shared.anew();
    this.adopt(seen);
    const guests = [...this.#guests.values()].filter(({ tap }) => seen.devices.has(tap));
    const policy = { ...this.#policy(), resolvers };
    if (!isClosed(seen.rules, subnet.text))
      await outputOf(host, 'ip', ['-batch', '-'], closing(seen.rules, subnet.text));
    await outputOf(host, 'nft', ['-f', '-'], wholeRuleset(policy, guests));
    shared.allChanged();
    this.#resolvers = resolvers;
    const { ruleset } = await shared.anew();
    this.#written = ruleset === 'absent' ? undefined : ruleset.common;
  }

  /** Other resolvers from now on; a host without guests has no table to change. */
  async follow(resolvers: readonly string[]): Promise<void> {
    const { ruleset } = await this.#settings.shared.anew();
    if (ruleset === 'absent') this.#resolvers = resolvers;
    else await this.writeWhole(resolvers);
  }

  /** Takes note of guests that an earlier controller let in, with their mediation; those that we know better stay as they are. */
  adopt({ ruleset, devices }: Listing): void {
    if (ruleset === 'absent') return;
    for (const [tap, elements] of ruleset.elements) {
      const guest = guestOfElements(elements);
      if (guest !== undefined && devices.has(tap) && !this.#guests.has(tap)) this.#guests.set(tap, guest);
    }
  }

  /** True when nobody is left and so everything is removed. */
  async #isEmptied(leaving: readonly string[]): Promise<boolean> {
    const { host, shared, tag, subnet } = this.#settings;
    const seen = await shared.anew();
    if (!this.tapsIn(seen).every((tap) => leaving.includes(tap))) return false;
    this.#written = undefined;
    const lines = opening(seen.rules, subnet.text);
    if (seen.ruleset !== 'absent') await outputOf(host, 'nft', ['-f', '-'], removedTables(tag));
    if (lines.length > 0) await outputOf(host, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    shared.allChanged();
    return true;
  }

  #entryFor(guest: Guest, has: readonly Element[]): string {
    const { tag } = this.#settings;
    const wanted = new Set(elementsOf(guest).map(nameOf));
    const stale = has.filter((one) => !wanted.has(nameOf(one)));
    return `${dismissal(tag, stale, [])}${admission(tag, guest)}`;
  }

  #isWhole(seen: Listing): boolean {
    if (seen.ruleset === 'absent' || this.#written === undefined) return false;
    return seen.ruleset.common === this.#written && isClosed(seen.rules, this.#settings.subnet.text);
  }

  #policy(): Policy {
    const { tag, subnet } = this.#settings;
    return { tag, subnet: subnet.text, gateway: ipv4Text(gatewayOf(subnet)), resolvers: this.#resolvers };
  }
}
