import { messageOf } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import type { Parser } from '../../../api/parser.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { DeclaredVolume } from '../../source.ts';
import { canonicalText } from '../../spec-text.ts';
import type { ApiServer } from '../api-server.ts';
import { claim, holderOf, isClaimed } from '../claim.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import { VOLUME, VOLUMES } from '../held-kind.ts';
import { NODE_LABEL } from '../instance-resource.ts';
import { KnownVolumes } from './known-volumes.ts';
import type { KnownVolume } from './known-volumes.ts';
import { isBeingDeleted, labelOf } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { LIST_WATCH_TIMING, listWatchOf } from '../list-watch.ts';
import type { ListWatchTiming } from '../list-watch.ts';
import { lookUp } from '../object-changes.ts';
import { Reflector } from '../reflector.ts';
import type { ReflectorSink } from '../reflector.ts';

export type VolumeWatchParts = {
  readonly api: ApiServer;
  readonly parser: Parser;
  readonly nodeName: string;
  readonly log: Logger;
  /** Volumes that this host has a disk of. */
  readonly withDisk: () => readonly InstanceKey[];
  /** Volumes that an instance here mounts. */
  readonly mounted: () => readonly InstanceKey[];
  /** What is said of it changed. */
  readonly onChange: (key: InstanceKey) => void;
  /** Somebody else wrote our status. */
  readonly isDisturbed: (object: KubernetesObject) => boolean;
  readonly timing?: ListWatchTiming;
  readonly elsewhereMs?: number;
  readonly headStartMs?: number;
};

/** How often one that no watch shows is looked at while an instance here mounts it. */
const ELSEWHERE_MS = 30_000;
/** A node that kept a disk of this name takes the Volume before those that would begin with an empty one. */
const HEAD_START_MS = 1_000;

/**
 * Which Volumes are this node's. Two watches, as for Instances: what bears this node's label, and what bears none.
 * Of the latter it takes those that it has a disk of, and those that an instance here mounts. One is gone only when
 * the server says so by name.
 */
export class VolumeWatch {
  readonly known: KnownVolumes;
  readonly #parts: VolumeWatchParts;
  readonly #reflectors: readonly Reflector[];
  readonly #claims: Errands<InstanceKey>;
  readonly #checks: Errands<InstanceKey>;
  /** The server said that there is none. */
  readonly #absent = new Set<InstanceKey>();
  #standing: 'listing' | 'following' | 'closed' = 'listing';
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: VolumeWatchParts) {
    this.#parts = parts;
    this.known = new KnownVolumes(parts.parser, parts.nodeName);
    this.#claims = new Errands((key) => this.#claim(key), this.#troubleWith('claim'));
    this.#checks = new Errands((key) => this.#check(key), this.#troubleWith('look'));
    this.#reflectors = [
      this.#reflectorOf(`${NODE_LABEL}=${parts.nodeName}`, (key) => {
        this.#checks.add(key);
      }),
      this.#reflectorOf(`!${NODE_LABEL}`, (key) => {
        // Most often because it was taken, by us or by another: the claim that is under way finds out.
        if (this.#isNeeded(key)) this.#claims.add(key);
        else if (this.#labelOf(key) === undefined) this.known.drop(key);
      }),
    ];
  }

  /** A server that cannot be asked is waited for without holding up anybody. */
  begin(): void {
    void Promise.all(this.#reflectors.map((reflector) => reflector.start())).then(() => {
      if (this.#standing === 'closed') return;
      this.#standing = 'following';
      for (const key of this.#needed()) this.want(key);
    });
    this.#timer = setInterval(() => {
      for (const key of this.#unwatched()) this.#checks.add(key);
    }, this.#parts.elsewhereMs ?? ELSEWHERE_MS).unref();
  }

  close(): void {
    this.#standing = 'closed';
    clearInterval(this.#timer);
    for (const reflector of this.#reflectors) reflector.close();
    this.#claims.close();
    this.#checks.close();
  }

  declared(key: InstanceKey): DeclaredVolume {
    const found = this.known.declared(key);
    if (found !== undefined) return found;
    if (this.#absent.has(key)) return { is: 'gone' };
    const message = `the API server has not been asked for the volume ${key} yet`;
    return { is: 'barred', reason: 'SourceLost', message };
  }

  /** An instance here mounts it now, or there is a disk of it. */
  want(key: InstanceKey): void {
    if (this.#standing !== 'following') return;
    const known = this.known.of(key);
    if (known === undefined) this.#checks.add(key);
    else this.#claimIfOurs(known);
  }

  /** Takes in a sight of a Volume, wherever it comes from. */
  see(object: KubernetesObject): void {
    const { key } = object;
    const before = canonicalText(this.declared(key));
    this.known.see(object);
    this.#absent.delete(key);
    const known = this.known.of(key);
    if (known === undefined) return;
    if (this.known.declared(key)?.is === 'gone' && !known.isClaimed) this.#forget(key);
    else this.#claimIfOurs(known);
    this.#tell(key, before);
  }

  /** It is let go, or the server says that it is not there. */
  lose(key: InstanceKey): void {
    const before = canonicalText(this.declared(key));
    this.#forget(key);
    this.#tell(key, before);
  }

  #forget(key: InstanceKey): void {
    this.known.drop(key);
    this.#absent.add(key);
  }

  #tell(key: InstanceKey, before: string): void {
    const object = this.known.of(key)?.object;
    const isDisturbed = object !== undefined && this.#parts.isDisturbed(object);
    if (isDisturbed || canonicalText(this.declared(key)) !== before) this.#parts.onChange(key);
  }

  #claimIfOurs({ object }: KnownVolume): void {
    const { nodeName } = this.#parts;
    const isWhole = isClaimed(object, nodeName, VOLUME) && labelOf(object, NODE_LABEL) === nodeName;
    if (!isWhole && this.#isForUs(object)) this.#claims.add(object.key);
  }

  #isForUs(object: KubernetesObject): boolean {
    const { nodeName } = this.#parts;
    const [holder, label] = [holderOf(object), labelOf(object, NODE_LABEL)];
    if (isBeingDeleted(object) || (holder ?? nodeName) !== nodeName) return false;
    return label === nodeName || (label === undefined && (holder === nodeName || this.#isNeeded(object.key)));
  }

  async #claim(key: InstanceKey): Promise<ErrandResult> {
    const known = this.known.of(key);
    if (known === undefined || !this.#isForUs(known.object)) return 'done';
    const againMs = this.#headStartLeft(known);
    if (againMs > 0) return { againMs };
    const after = await claim(this.#parts.api, known.object, { name: this.#parts.nodeName }, VOLUME);
    if (after === undefined) this.#checks.add(key);
    else this.see(after);
    return 'done';
  }

  /** How long a node that kept its disk may still come first. */
  #headStartLeft({ object, since }: KnownVolume): number {
    const { withDisk, headStartMs = HEAD_START_MS } = this.#parts;
    const isFirst = labelOf(object, NODE_LABEL) !== undefined || holderOf(object) !== undefined;
    return isFirst || withDisk().includes(object.key) ? 0 : since + headStartMs - Date.now();
  }

  #labelOf(key: InstanceKey): string | undefined {
    const known = this.known.of(key);
    return known === undefined ? undefined : labelOf(known.object, NODE_LABEL);
  }

  async #check(key: InstanceKey): Promise<ErrandResult> {
    const there = await lookUp(this.#parts.api, key, VOLUME);
    if (there === undefined) this.lose(key);
    else this.see(there);
    return 'done';
  }

  #needed(): ReadonlySet<InstanceKey> {
    return new Set([...this.#parts.withDisk(), ...this.#parts.mounted()]);
  }

  #isNeeded(key: InstanceKey): boolean {
    return this.#needed().has(key);
  }

  /** Of those that matter here, the ones that neither watch shows: another's, or none that we know of. */
  #unwatched(): readonly InstanceKey[] {
    const { mounted, nodeName } = this.#parts;
    return [...mounted(), ...this.known.claimed()].filter((key) => {
      if (this.known.of(key) === undefined) return true;
      return (this.#labelOf(key) ?? nodeName) !== nodeName;
    });
  }

  #reflectorOf(labelSelector: string, onGone: (key: InstanceKey) => void): Reflector {
    const collection = { path: VOLUMES, selector: { labelSelector } };
    const source = listWatchOf(this.#parts.api, collection, this.#parts.timing ?? LIST_WATCH_TIMING);
    const sink: ReflectorSink = {
      put: (object) => {
        this.see(object);
      },
      gone: (key, uid) => {
        if (this.known.of(key)?.object.uid === uid) onGone(key);
      },
      standing: (standing) => {
        if (standing.is !== 'lost') return;
        const { message } = standing;
        this.#parts.log.warn({ selector: labelSelector, message }, 'Volumes cannot be followed: they stay');
      },
    };
    return new Reflector(source, sink);
  }

  #troubleWith(what: string): (key: InstanceKey, error: unknown) => void {
    return (key, error) => {
      this.#parts.log.warn({ volume: key, what, message: messageOf(error) }, 'the API server refused');
    };
  }
}
