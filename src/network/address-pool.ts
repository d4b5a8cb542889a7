import { HypemanError } from '../errors.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { gatewayOf, ipv4Number, ipv4Text, lastOf, macFor, parseSubnet } from './ipv4.ts';
import type { Subnet } from './ipv4.ts';
import type { AddressPool, Lease } from './network.ts';

/** Offset 0 is the network, 1 the gateway, the last one the broadcast address. */
const FIRST_OFFSET = 2;

/** Throws `InvalidSubnet`. Without a setting the pool is 10.100.0.0/16. */
export function openAddressPool({
  subnet = '10.100.0.0/16',
}: { readonly subnet?: string } = {}): AddressPool {
  return new LeasedPool(parseSubnet(subnet));
}

class LeasedPool implements AddressPool {
  readonly #subnet: Subnet;
  readonly #addressOf = new Map<InstanceKey, number>();
  readonly #keyOf = new Map<number, InstanceKey>();
  /** Next fit: a freed address rests for as long as possible, because the world remembers who had it. */
  #cursor: number;

  constructor(subnet: Subnet) {
    this.#subnet = subnet;
    this.#cursor = subnet.first + FIRST_OFFSET;
  }

  lease(key: InstanceKey): Lease {
    const held = this.#addressOf.get(key);
    if (held !== undefined) return this.#leaseOf(key, held);
    const address = this.#freeAddress();
    this.#take(key, address);
    return this.#leaseOf(key, address);
  }

  adopt(key: InstanceKey, ip: string): void {
    const address = ipv4Number(ip);
    if (address === undefined)
      throw new HypemanError('bug', 'NoAddress', `${key} has no IPv4 address: ${ip}`);
    const holder = this.#keyOf.get(address) ?? key;
    const other = this.#addressOf.get(key) ?? address;
    if (holder !== key)
      throw new HypemanError('invalid', 'AddressClash', `${ip} of ${key} belongs to ${holder} already`);
    if (other !== address)
      throw new HypemanError(
        'invalid',
        'AddressClash',
        `${key} has ${ipv4Text(other)} already and not ${ip}`,
      );
    this.#take(key, address);
  }

  release(key: InstanceKey): void {
    const address = this.#addressOf.get(key);
    if (address === undefined) return;
    this.#addressOf.delete(key);
    this.#keyOf.delete(address);
  }

  #take(key: InstanceKey, address: number): void {
    this.#addressOf.set(key, address);
    this.#keyOf.set(address, key);
    if (this.#isLeasable(address)) this.#cursor = Math.max(this.#cursor, address + 1);
  }

  /** One lap over the pool at most. */
  #freeAddress(): number {
    const first = this.#subnet.first + FIRST_OFFSET;
    const count = lastOf(this.#subnet) - first;
    for (let step = 0; step < count; step += 1) {
      const address = first + ((this.#cursor - first + step) % count);
      if (this.#keyOf.has(address)) continue;
      // Behind the cursor only after a lap: from there the next lap begins.
      if (address < this.#cursor) this.#cursor = address;
      return address;
    }
    throw new HypemanError(
      'transient',
      'AddressPoolExhausted',
      `all ${count} addresses of ${this.#subnet.text} are taken: remove instances or give a larger --subnet`,
    );
  }

  #leaseOf(key: InstanceKey, address: number): Lease {
    const ip = ipv4Text(address);
    if (!this.#isLeasable(address))
      throw new HypemanError(
        'invalid',
        'AddressOutsidePool',
        `${key} keeps ${ip} for life, which is not in --subnet ${this.#subnet.text}: go back to the former subnet or recreate the instance`,
      );
    const gateway = ipv4Text(gatewayOf(this.#subnet));
    return { ip, gateway, mac: macFor(address), index: address - this.#subnet.first };
  }

  #isLeasable(address: number): boolean {
    return address >= this.#subnet.first + FIRST_OFFSET && address < lastOf(this.#subnet);
  }
}
