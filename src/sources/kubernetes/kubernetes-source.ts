import type { Parser } from '../../api/parser.ts';
import type { InstanceEvent } from '../../api/reported.ts';
import type { InstanceStatus } from '../../api/status.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { InstanceKey, VolumeKey } from '../../machine/ids.ts';
import type { DeclaredEnvironment } from '../../secrets/environment.ts';
import type { PullSecrets } from '../../secrets/pull-secrets.ts';
import type { Declared, Source } from '../source.ts';
import type { AgentHost } from './agent-host.ts';
import type { ApiServer } from './api-server.ts';
import { release } from './claim.ts';
import { environmentFrom, pullSecretsFrom, secretsOf } from './cluster-environment.ts';
import { ClusterVolumes, volumesOf } from './volumes/cluster-volumes.ts';
import { EventWriter } from './event-writer.ts';
import type { HostInstance } from './held-kind.ts';
import { InstanceWatch } from './instance-watch.ts';
import type { Known } from './known-instances.ts';
import type { ListWatchTiming } from './list-watch.ts';
import type { NodeLease } from './node-lease.ts';
import { PacedReports } from './paced-reports.ts';
import { pause } from './pause.ts';
import { AwaitedPods } from './tenure/awaited-pods.ts';
import { PlaceholderWatch } from './tenure/placeholder-watch.ts';
import type { PodPlace } from './tenure/placeholder-watch.ts';
import { ReportedStatuses } from './reported-statuses.ts';
import type { SecretStore } from './secret-store.ts';
import { ServerTurns } from './server-turns.ts';
import { evictionIn, statusLeft, statusUnder } from './tenure/tenure-words.ts';
import { Tenures } from './tenure/tenures.ts';

export type KubernetesSourceParts = {
  readonly api: ApiServer;
  readonly parser: Parser;
  readonly nodeName: string;
  readonly log: Logger;
  readonly host?: AgentHost | undefined;
  readonly onHost: () => readonly HostInstance[];
  readonly disksOnHost: () => readonly VolumeKey[];
  readonly openSecrets: (onChange: (instance: InstanceKey) => void) => SecretStore;
  readonly lease?: NodeLease;
  /** A pass over an Instance ended, or nothing of it is here any more. */
  readonly onPass?: (key: InstanceKey) => void;
  readonly timing?: ListWatchTiming;
  readonly elsewhereMs?: number;
  readonly headStartMs?: number;
};

/** What was placed here stays as it is until its Pod is seen: most often they are, before it is looked at. */
const PODS_FIRST_MS = 2_000;

/** Instances of one node in a cluster: declared by the watch, reported to their status, told in Events. */
export class KubernetesSource implements Source {
  readonly volumes: ClusterVolumes;
  readonly #api: ApiServer;
  readonly #nodeName: string;
  readonly #lease: NodeLease | undefined;
  readonly #watch: InstanceWatch;
  readonly #pods: PlaceholderWatch;
  readonly #awaited: AwaitedPods;
  readonly #tenures: Tenures;
  readonly #reports: PacedReports;
  readonly #secrets: SecretStore;
  /** Their status could not be written: they are looked at again when the server is back. */
  readonly #unwritten = new Set<InstanceKey>();
  readonly #onPass: (key: InstanceKey) => void;
  #isClosed = false;
  #notify: (key: InstanceKey) => void = () => undefined;

  constructor(parts: KubernetesSourceParts) {
    this.#api = parts.api;
    this.#nodeName = parts.nodeName;
    this.#lease = parts.lease;
    this.#onPass = parts.onPass ?? (() => undefined);
    const turns = new ServerTurns(parts.api);
    const statuses = new ReportedStatuses(turns.for('status'));
    this.#reports = new PacedReports({
      statuses,
      events: new EventWriter({ ...parts, turns }),
      onWritten: (object) => {
        this.#unwritten.delete(object.key);
        this.#watch.see(object);
      },
      onTrouble: (key, error) => {
        parts.log.warn({ instance: key, message: messageOf(error) }, 'the status could not be written');
      },
    });
    this.#secrets = parts.openSecrets((instance) => {
      this.#notify(instance);
    });
    this.volumes = new ClusterVolumes({
      ...parts,
      onChange: (instance) => {
        this.#notify(instance);
      },
    });
    this.#pods = new PlaceholderWatch({
      ...parts,
      onChange: (instance) => {
        this.#watch.podsChanged(instance);
        this.#tenures.podsChanged(instance);
        // A Pod may end after its Instance: there is no pass any more then that would tell its holder.
        this.#onPass(instance);
      },
    });
    this.#awaited = new AwaitedPods({ ...parts, onChange: this.#notifyKnown });
    this.#tenures = this.#tenuresFrom(parts);
    this.#watch = new InstanceWatch({
      ...parts,
      api: turns.for('claim'),
      podFor: (object) => this.#tenures.podFor(object),
      isDisturbed: (object) => statuses.isDisturbed(object),
      onReturn: () => {
        for (const key of this.#unwritten) this.#notify(key);
      },
      onChange: (key, known) => {
        this.#changed(key, known);
      },
    });
  }

  readonly #notifyKnown = (key: InstanceKey): void => {
    if (this.#watch.known.of(key) !== undefined) this.#notify(key);
  };

  #tenuresFrom(parts: KubernetesSourceParts): Tenures {
    return new Tenures({
      ...parts,
      pods: this.#pods,
      keys: () => this.keys(),
      knownOf: (key) => this.#watch.known.of(key),
      lastStatus: ({ object }) => this.#reports.last(object),
      onSight: (object) => {
        this.#watch.see(object);
      },
      onChange: this.#notifyKnown,
    });
  }

  async start(notify: (key: InstanceKey) => void): Promise<void> {
    this.#notify = notify;
    await this.#lease?.acquire();
    if (this.#isClosed) return;
    this.volumes.start();
    const podsSeen = this.#pods.start();
    this.#awaited.start();
    await Promise.race([podsSeen, pause(PODS_FIRST_MS)]);
    await this.#watch.start();
    void podsSeen.then(() => {
      this.#tenures.begin();
    });
  }

  keys(): readonly InstanceKey[] {
    return this.#watch.known.keys();
  }

  declared(key: InstanceKey): Declared {
    const known = this.#watch.known.of(key);
    if (known === undefined) return { is: 'gone' };
    const { declared, isClaimed } = known;
    if (isClaimed || declared.is === 'gone') return this.#tenures.declared(known);
    const message = 'this node has not been able to put its finalizer on the Instance yet';
    const { uid, generation } = declared;
    return { is: 'held', uid, generation, refused: { reason: 'SourceLost', message } };
  }

  async environmentOf(key: InstanceKey): Promise<DeclaredEnvironment> {
    const declared = this.declared(key);
    if (declared.is === 'wanted') return environmentFrom(declared.instance, this.#secrets);
    return { is: 'missing', reason: 'NotDeclared', message: `no valid declaration of ${key} is known` };
  }

  async pullSecretsOf(key: InstanceKey): Promise<PullSecrets> {
    const declared = this.declared(key);
    if (declared.is !== 'wanted') return { is: 'ready', configs: [] };
    return pullSecretsFrom(declared.instance, this.#secrets);
  }

  lastStatus(key: InstanceKey): InstanceStatus | undefined {
    const known = this.#watch.known.of(key);
    return known === undefined ? undefined : this.#reports.last(known.object);
  }

  /** The placeholder Pod of an Instance, as this node has it. */
  podOf(key: InstanceKey): PodPlace | undefined {
    return this.#pods.placeOf(key, this.#watch.known.of(key)?.object);
  }

  async report(key: InstanceKey, status: InstanceStatus, events: readonly InstanceEvent[]): Promise<void> {
    const known = this.#watch.known.of(key);
    if (known?.isClaimed !== true) return;
    const before = this.#reports.last(known.object);
    const now = Date.now();
    const words = this.#awaited.wordsFor(known.object);
    const tenure = this.#tenures.of(known, status);
    const told = statusUnder(tenure, status, before, {
      nodeName: this.#nodeName,
      now,
      ...(words === undefined ? {} : { words }),
    });
    this.#unwritten.add(key);
    // What follows lets go of the placeholder Pod of one that is not to run.
    const mustStand = tenure.is !== 'placed';
    await this.#reports.report(known.object, told, [...evictionIn(told, before, now), ...events], {
      mustStand,
    });
    this.#unwritten.delete(key);
    this.#tenures.reported(known, status, before);
    this.#onPass(key);
  }

  async forget(key: InstanceKey): Promise<void> {
    const known = this.#watch.known.of(key);
    if (known !== undefined && !(await this.#giveUp(known))) return;
    this.#letGo(key);
    this.#tenures.left(key);
    this.#onPass(key);
  }

  /** False: it is to be here. Declared again while the first was being removed, or placed here again. */
  async #giveUp(known: Known): Promise<boolean> {
    const { object } = known;
    if (known.declared.is === 'gone') {
      await release(this.#api, object);
      if (this.#watch.known.of(object.key)?.object.uid === object.uid) this.#watch.known.drop(object.key);
      return true;
    }
    const tenure = this.#tenures.of(known);
    if (tenure.is !== 'leaving') return false;
    const last = this.#reports.last(object);
    const from = { nodeName: this.#nodeName, now: Date.now() };
    if (last !== undefined)
      await this.#reports.report(object, statusLeft(last, tenure, from), [], { mustStand: true });
    await this.#watch.letLeave(this.#watch.known.of(object.key) ?? known);
    return true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#lease?.close();
    this.#watch.close();
    this.#pods.close();
    this.#awaited.close();
    this.#tenures.close();
    this.#secrets.close();
    await Promise.all([this.#reports.close(), this.volumes.close()]);
    this.#api.close();
  }

  #changed(key: InstanceKey, known: Known | undefined): void {
    const declared = known?.declared;
    if (declared?.is === 'wanted') {
      this.#secrets.follow(key, secretsOf(declared.instance));
      this.volumes.follow(key, volumesOf(declared.instance));
    }
    if (known === undefined) this.#letGo(key);
    this.#notify(key);
  }

  #letGo(key: InstanceKey): void {
    this.#secrets.follow(key, []);
    this.volumes.follow(key, []);
    this.#reports.forget(key);
    this.#unwritten.delete(key);
  }
}
