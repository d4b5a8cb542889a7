import { messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { Parser } from '../../api/parser.ts';
import type { AgentHost } from './agent-host.ts';
import type { ApiServer } from './api-server.ts';
import { isForNode, mayRunAt, mayRunOn } from './claim.ts';
import { Errands } from './errands.ts';
import type { ErrandResult } from './errands.ts';
import type { HostInstance } from './held-kind.ts';
import { InstanceClaims } from './instance-claims.ts';
import { INSTANCES, NODE_LABEL } from './instance-resource.ts';
import { KnownInstances } from './known-instances.ts';
import type { Known } from './known-instances.ts';
import { isBeingDeleted, labelOf } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { isSameToPasses } from './pass-view.ts';
import { LIST_WATCH_TIMING, listWatchOf } from './list-watch.ts';
import type { ListWatchTiming } from './list-watch.ts';
import { movedBy } from './moved-instance.ts';
import { lookUp } from './object-changes.ts';
import { Reflector } from './reflector.ts';
import type { ReflectorSink, ReflectorStanding } from './reflector.ts';

export type InstanceWatchParts = {
  readonly api: ApiServer;
  readonly parser: Parser;
  readonly nodeName: string;
  /** This host, where it is to be noted. */
  readonly host?: AgentHost | undefined;
  readonly log: Logger;
  /** The uid of the placeholder Pod that holds room here for this very Instance. */
  readonly podFor: (object: KubernetesObject) => string | undefined;
  /** What this host has of Instances, declared or not. */
  readonly onHost: () => readonly HostInstance[];
  /** Something about it changed that a pass must see. */
  readonly onChange: (key: InstanceKey, known: Known | undefined) => void;
  /** The server is followed again. */
  readonly onReturn: () => void;
  /** Somebody else wrote our status. */
  readonly isDisturbed: (object: KubernetesObject) => boolean;
  readonly timing?: ListWatchTiming;
  readonly elsewhereMs?: number;
};

/** How often an Instance that was given to another node while it runs here is looked at. */
const ELSEWHERE_MS = 30_000;

/**
 * Which Instances are this node's, and what is known of them. Two watches: what bears this node's label, and
 * what bears none, from which those that name this node are taken. An Instance is not told before our
 * finalizer is on it; one that vanished from the watch is gone only when the server says so by name.
 */
export class InstanceWatch {
  readonly known: KnownInstances;
  readonly #parts: InstanceWatchParts;
  readonly #reflectors: readonly Reflector[];
  readonly #claims: InstanceClaims;
  readonly #checks: Errands<InstanceKey>;
  readonly #stop = new AbortController();

  constructor(parts: InstanceWatchParts) {
    this.#parts = parts;
    this.known = new KnownInstances(parts.parser, parts.nodeName);
    this.#claims = new InstanceClaims({
      ...parts,
      known: this.known,
      onTaken: (object) => {
        this.see(object);
      },
      onRefused: (key) => {
        this.#checks.add(key);
      },
      onTrouble: this.#troubleWith('claim'),
    });
    this.#checks = new Errands((key) => this.#check(key), this.#troubleWith('look'));
    this.#reflectors = [
      this.#reflectorOf(`${NODE_LABEL}=${parts.nodeName}`, {
        put: (object) => {
          this.see(object);
        },
        gone: (key, uid) => {
          if (this.known.of(key)?.object.uid === uid) this.#checks.add(key);
        },
      }),
      this.#reflectorOf(`!${NODE_LABEL}`, {
        put: (object) => {
          if (isForNode(object, parts.nodeName)) this.see(object);
          else if (mayRunOn(object, parts.nodeName)) this.#claims.seeUnplaced(object);
        },
        // Most often because it was taken, by us or by another: the claim that is under way finds out.
        gone: (key, uid) => {
          this.#claims.noMoreUnplaced(key);
          if (this.known.of(key)?.object.uid === uid) this.#claims.add(key);
        },
      }),
    ];
  }

  async start(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.start()));
    // Their end must be told by name as well: a label may have been moved while nobody listened.
    const unseen = this.#parts.onHost().filter(({ key }) => this.known.of(key) === undefined);
    await Promise.all(unseen.map((one) => this.#recall(one)));
  }

  close(): void {
    this.#stop.abort();
    for (const reflector of this.#reflectors) reflector.close();
    this.#claims.close();
    this.#checks.close();
  }

  /** A placeholder Pod of this name is bound here, or is no more. */
  podsChanged(key: InstanceKey): void {
    this.#claims.add(key);
  }

  /** Gives up one that is not deleted, and of which nothing is left here. Throws `transient`. */
  letLeave(known: Known): Promise<void> {
    return this.#claims.letLeave(known);
  }

  /** Takes in a sight of an Instance of this node, wherever it comes from. */
  see(object: KubernetesObject): void {
    const { key } = object;
    if (this.#claims.isLeaving(key)) return;
    const before = this.known.of(key);
    if (before?.object.uid !== object.uid && this.#isElsewhere(object)) return;
    const needsClaim = this.#claims.isDue(object);
    if (needsClaim && isBeingDeleted(object)) {
      this.drop(key);
      return;
    }
    if (this.known.see(object) === undefined) return;
    // Whoever shows it, an answer to our own write, too: it stays held for as long as its label is not ours.
    const moved = movedBy(object, this.#parts);
    if (moved !== undefined) this.known.hold(key, moved);
    else if (needsClaim) this.#claims.add(key);
    this.#tellChange(before, this.known.of(key));
  }

  #tellChange(before: Known | undefined, now: Known | undefined): void {
    if (now?.isClaimed !== true) return;
    const { isDisturbed, log, onChange } = this.#parts;
    const { key } = now.object;
    if (now.warnings.length > 0 && before?.warnings.join() !== now.warnings.join())
      log.warn({ instance: key, warnings: now.warnings }, 'declaration accepted with warnings');
    if (!isSameToPasses(before, now) || isDisturbed(now.object)) onChange(key, now);
  }

  /** Nothing of this name is declared here any more. */
  drop(key: InstanceKey): void {
    if (this.known.of(key) === undefined) return;
    this.known.drop(key);
    this.#parts.onChange(key, undefined);
  }

  #reflectorOf(labelSelector: string, sink: Pick<ReflectorSink, 'put' | 'gone'>): Reflector {
    const collection = { path: INSTANCES, selector: { labelSelector } };
    const source = listWatchOf(this.#parts.api, collection, this.#parts.timing ?? LIST_WATCH_TIMING);
    return new Reflector(source, {
      ...sink,
      standing: (standing) => {
        this.#tell(labelSelector, standing);
      },
    });
  }

  #tell(selector: string, standing: ReflectorStanding): void {
    const { log, onReturn } = this.#parts;
    if (standing.is === 'lost') {
      log.warn(
        { selector, message: standing.message },
        'the API server cannot be followed: everything stays',
      );
      return;
    }
    log.info({ selector }, 'following the API server');
    onReturn();
  }

  /** Another node has it: it may run there until that node lets it go. */
  #isElsewhere(object: KubernetesObject): boolean {
    const holder = mayRunAt(object);
    return holder !== undefined && holder !== this.#parts.nodeName;
  }

  /** What became of one that the watch no longer shows. */
  async #check(key: InstanceKey): Promise<ErrandResult> {
    const known = this.known.of(key);
    if (known === undefined) return 'done';
    const there = await lookUp(this.#parts.api, key);
    // Given up while we asked.
    if (this.known.of(key) === undefined) return 'done';
    if (there?.uid !== known.object.uid) {
      this.drop(key);
      return 'done';
    }
    return this.#place(there);
  }

  /** Something of it is on this host, and the watch does not show it. A successor of its name has no claim to that. */
  async #recall({ key, uid }: HostInstance): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const looks = new Errands<InstanceKey>(async () => {
      const there = await lookUp(this.#parts.api, key);
      if (there?.uid === uid && this.#place(there) !== 'done') this.#checks.add(key);
      resolve(undefined);
      return 'done';
    }, this.#troubleWith('look'));
    this.#stop.signal.addEventListener('abort', () => {
      looks.close();
      resolve(undefined);
    });
    looks.add(key);
    await promise;
  }

  #place(there: KubernetesObject): ErrandResult {
    const { key } = there;
    if (this.#isElsewhere(there)) {
      this.drop(key);
      return 'done';
    }
    this.see(there);
    if (movedBy(there, this.#parts) !== undefined)
      return { againMs: this.#parts.elsewhereMs ?? ELSEWHERE_MS };
    if (labelOf(there, NODE_LABEL) === undefined && !isBeingDeleted(there)) this.#claims.add(key);
    return 'done';
  }

  #troubleWith(what: string): (key: InstanceKey, error: unknown) => void {
    return (key, error) => {
      this.#parts.log.warn({ instance: key, what, message: messageOf(error) }, 'the API server refused');
    };
  }
}
