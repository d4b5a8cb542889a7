import { openNetwork } from '../../src/network/open-network.ts';
import type { NetworkSettings } from '../../src/network/open-network.ts';
import type { OpenNetwork } from '../../src/network/network.ts';
import type { Identity } from '../../src/machine/record.ts';
import { NetnsLab, RESOLVER, SERVER, TAG, identityAt } from './netns.ts';
import type { LabGuest } from './netns.ts';

export const ONE = identityAt('10.100.0.2');
export const OTHER = identityAt('10.100.0.3');
export const NOTHING = { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} };
export const EVERYTHING = { tap: { state: 'up', name: ONE.tap }, guard: { state: 'guarded' }, shaping: {} };

/** A lab, and the networks that controllers have opened on its host. */
export class NetworkStage {
  readonly lab = new NetnsLab();
  readonly #networks: OpenNetwork[] = [];

  async setUp(): Promise<this> {
    await this.lab.open();
    return this;
  }

  async close(): Promise<void> {
    await Promise.all(this.#networks.map((network) => network.close()));
    await this.lab.close();
  }

  /** As a controller that starts. */
  async open(settings: Partial<NetworkSettings> = {}): Promise<OpenNetwork> {
    const network = await openNetwork({ tag: TAG, dns: [RESOLVER], host: this.lab.host, ...settings });
    this.#networks.push(network);
    return network;
  }

  /** Everything that a controller may have left on the host. */
  async leftovers(): Promise<string> {
    const texts = await Promise.all([
      this.lab.output(this.lab.hostNs, 'nft', ['list', 'ruleset']),
      this.lab.output(this.lab.hostNs, 'ip', ['-o', 'link', 'show']),
      this.lab.output(this.lab.hostNs, 'ip', ['rule', 'show']),
    ]);
    const lines = texts.join('\n').split('\n');
    return lines.filter((line) => /hypeman|h[mi]-|10\.100\./.test(line)).join('\n');
  }

  async reachesServer({ space }: LabGuest): Promise<boolean> {
    return (await this.lab.ask(space, 'tcp', SERVER, 80)) !== undefined;
  }
}

export async function admit(network: OpenNetwork, ...identities: readonly Identity[]): Promise<void> {
  for (const identity of identities) {
    await network.createTap(identity);
    await network.guardTap(identity);
  }
}
