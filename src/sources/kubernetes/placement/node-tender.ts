import { HypemanError } from '../../../errors.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { isSuccess, sentenceOf } from '../api-server.ts';
import type { ApiServer } from '../api-server.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import { FIELD_MANAGER } from '../instance-resource.ts';
import { Alarms } from './alarms.ts';
import { readNode } from './node-reads.ts';
import { AGENT_GRACE_MS, isFresh, labelChangesOf } from './node-sight.ts';
import type { AgentSight, NodeStanding } from './node-sight.ts';
import { AGENT_LEASES } from './placeholder-words.ts';
import type { PlacementSights } from './placement-sights.ts';

export type NodeTenderParts = {
  readonly api: ApiServer;
  readonly sights: PlacementSights;
  /** What may be thought of its node changed. */
  readonly onStanding: (instance: InstanceKey) => void;
  readonly onTrouble: (node: string, error: unknown) => void;
};

/**
 * Keeps the labels of Nodes as their agents tell, notices when one is not heard of any more, and removes the Leases
 * of those whose Nodes were.
 */
export class NodeTender {
  readonly #parts: NodeTenderParts;
  readonly #looks: Errands<string>;
  readonly #alarms: Alarms<string>;
  readonly #standings = new Map<string, NodeStanding>();

  constructor(parts: NodeTenderParts) {
    this.#parts = parts;
    this.#looks = new Errands((name) => this.#tend(name), parts.onTrouble);
    this.#alarms = new Alarms((name) => {
      this.#looks.add(name);
    });
  }

  look(name: string): void {
    this.#looks.add(name);
  }

  close(): void {
    this.#looks.close();
    this.#alarms.close();
  }

  async #tend(name: string): Promise<ErrandResult> {
    const { sights } = this.#parts;
    const at = sights.steadyNow();
    const agent = sights.agent(name);
    const isHeard = agent !== undefined && isFresh(agent, at);
    this.#alarms.set(name, isHeard ? agent.seenAt + AGENT_GRACE_MS - at : undefined);
    const standing = sights.standing(name);
    this.#tell(name, standing);
    if (standing === 'gone' && agent !== undefined) return this.#collect(agent);
    const node = sights.node(name);
    const labels = node === undefined ? undefined : labelChangesOf(node, agent, at);
    if (labels !== undefined) await this.#label(name, labels);
    return 'done';
  }

  /** Nobody renews it, and nobody needs it: an agent that is back makes one. */
  async #collect({ node, uid, resourceVersion }: AgentSight): Promise<ErrandResult> {
    const { api, sights } = this.#parts;
    if (sights.isHolder(node)) return { againMs: AGENT_GRACE_MS };
    if ((await readNode(api, node)) !== 'gone') return { againMs: AGENT_GRACE_MS };
    const answer = await api.ask({
      method: 'DELETE',
      path: `${AGENT_LEASES}/${node}`,
      body: { preconditions: { uid, resourceVersion } },
    });
    // Renewed meanwhile, or gone: the watch tells.
    if (answer.status === 404 || answer.status === 409 || isSuccess(answer)) return 'done';
    throw new HypemanError('transient', 'ApiServerRefused', `Lease of node ${node}: ${sentenceOf(answer)}`);
  }

  #tell(name: string, standing: NodeStanding): void {
    if (this.#standings.get(name) === standing) return;
    if (standing === 'gone') this.#standings.delete(name);
    else this.#standings.set(name, standing);
    for (const key of this.#parts.sights.concernedBy(name)) this.#parts.onStanding(key);
  }

  async #label(name: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
    const answer = await this.#parts.api.ask({
      method: 'PATCH',
      path: `/api/v1/nodes/${name}?fieldManager=${FIELD_MANAGER}`,
      patch: 'application/merge-patch+json',
      body: { metadata: { labels } },
    });
    if (answer.status === 404 || isSuccess(answer)) return;
    throw new HypemanError('transient', 'ApiServerRefused', `labels of node ${name}: ${sentenceOf(answer)}`);
  }
}
