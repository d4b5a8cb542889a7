import { messageOf, reasonOf } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { ApiServer } from '../api-server.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import { Alarms } from './alarms.ts';
import { NodeTender } from './node-tender.ts';
import type { PlaceholderSettings } from './placeholder-pod.ts';
import { perform, removeStray } from './placement-hands.ts';
import { placementOf } from './placement-plan.ts';
import type { PlacementSights } from './placement-sights.ts';
import type { PlacementWorld, Refusal } from './placement-world.ts';

export type PlacementTermParts = {
  /** Writes for as long as the term lasts. */
  readonly api: ApiServer;
  readonly sights: PlacementSights;
  readonly settings: PlaceholderSettings;
  readonly log: Logger;
  readonly now: () => number;
};

/** A Pod whose Instance is gone here and there on the server: the watch lags behind. */
const LAG_MS = 1_000;

/**
 * What a worker does while it is at work: looks, plans and acts, one key at a time. What it knows beside what the
 * watches show are refusals, and these come again.
 */
export class PlacementTerm {
  readonly #parts: PlacementTermParts;
  readonly #places: Errands<InstanceKey>;
  readonly #tender: NodeTender;
  readonly #alarms: Alarms<InstanceKey>;
  readonly #refusals = new Map<InstanceKey, Refusal>();
  /** No node has them, and they need something beside them. */
  readonly #lonely = new Set<InstanceKey>();

  constructor(parts: PlacementTermParts) {
    this.#parts = parts;
    const onTrouble = (key: string, error: unknown): void => {
      // Whoever was first has changed what this was planned from, and the watch tells.
      const level = QUIET.has(reasonOf(error)) ? 'debug' : 'warn';
      parts.log[level]({ key, reason: reasonOf(error), message: messageOf(error) }, 'the API server refused');
    };
    this.#places = new Errands<InstanceKey>((key) => this.#place(key), onTrouble);
    this.#alarms = new Alarms((key) => {
      this.#places.add(key);
    });
    this.#tender = new NodeTender({
      ...parts,
      onTrouble,
      onStanding: (key) => {
        this.#places.add(key);
      },
    });
  }

  /** Everything that is known is looked at. */
  start(): void {
    for (const name of this.#parts.sights.nodes()) this.node(name);
    for (const key of this.#parts.sights.keys()) this.instance(key);
  }

  instance(key: InstanceKey): void {
    this.#places.add(key);
  }

  node(name: string): void {
    this.#tender.look(name);
  }

  neighbour(namespace: string): void {
    for (const key of this.#lonely) if (namespaceOf(key) === namespace) this.#places.add(key);
  }

  close(): void {
    this.#places.close();
    this.#tender.close();
    this.#alarms.close();
  }

  async #place(key: InstanceKey): Promise<ErrandResult> {
    const { sights } = this.#parts;
    for (const pod of sights.strays(key))
      if (!(await removeStray(this.#parts, key, pod))) return { againMs: LAG_MS };
    const world = this.#worldOf(key);
    if (world === undefined) {
      this.#forget(key);
      return 'done';
    }
    const plan = placementOf(world);
    this.#alarms.set(key, plan.againMs);
    const outcome = await perform(this.#parts, world.instance, plan);
    // The Lease of a node that has none left may go.
    for (const action of plan.actions) if (action.kind === 'let-go') this.#tender.look(action.node);
    if (outcome !== 'done') this.#refused(world, outcome);
    else if (plan.actions.some(({ kind }) => kind === 'create-placeholder')) this.#refusals.delete(key);
    return 'done';
  }

  #worldOf(key: InstanceKey): PlacementWorld | undefined {
    const { sights, settings, now } = this.#parts;
    const seen = sights.worldOf(key, now());
    if (seen === undefined) return undefined;
    const isLonely = seen.instance.holder === undefined && (seen.source ?? seen.volumes[0]) !== undefined;
    if (isLonely) this.#lonely.add(key);
    else this.#lonely.delete(key);
    const refusal = this.#refusals.get(key);
    return { ...seen, settings, ...(refusal === undefined ? {} : { refusal }) };
  }

  #refused(
    { instance, refusal, now }: PlacementWorld,
    why: Pick<Refusal, 'is' | 'reason' | 'message'>,
  ): void {
    const { key, generation } = instance;
    const count = refusal?.generation === generation ? refusal.count + 1 : 1;
    this.#refusals.set(key, { ...why, generation, at: now, count });
    this.#places.add(key);
  }

  #forget(key: InstanceKey): void {
    this.#alarms.set(key, undefined);
    this.#refusals.delete(key);
    this.#lonely.delete(key);
  }
}

const QUIET: ReadonlySet<string> = new Set(['Outrun', 'NotAtWork']);
