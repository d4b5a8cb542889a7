import type { Parser } from '../../api/parser.ts';
import type { InstanceEvent } from '../../api/reported.ts';
import type { InstanceStatus } from '../../api/status.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { InstanceKey, VolumeKey } from '../../machine/ids.ts';
import type { DeclaredEnvironment } from '../../secrets/environment.ts';
import type { Declared, Source } from '../source.ts';
import type { ApiServer } from './api-server.ts';
import { release } from './claim.ts';
import { environmentFrom, secretsOf } from './cluster-environment.ts';
import { ClusterVolumes, volumesOf } from './cluster-volumes.ts';
import { EventWriter } from './event-writer.ts';
import { InstanceWatch } from './instance-watch.ts';
import type { Known } from './known-instances.ts';
import type { ListWatchTiming } from './list-watch.ts';
import { PacedReports } from './paced-reports.ts';
import { ReportedStatuses } from './reported-statuses.ts';
import type { SecretStore } from './secret-store.ts';

export type KubernetesSourceParts = {
  readonly api: ApiServer;
  readonly parser: Parser;
  readonly nodeName: string;
  readonly log: Logger;
  readonly onHost: () => readonly InstanceKey[];
  readonly disksOnHost: () => readonly VolumeKey[];
  readonly openSecrets: (onChange: (instance: InstanceKey) => void) => SecretStore;
  readonly timing?: ListWatchTiming;
  readonly elsewhereMs?: number;
  readonly headStartMs?: number;
};

/** Instances of one node in a cluster: declared by the watch, reported to their status, told in Events. */
export class KubernetesSource implements Source {
  readonly volumes: ClusterVolumes;
  readonly #api: ApiServer;
  readonly #watch: InstanceWatch;
  readonly #reports: PacedReports;
  readonly #secrets: SecretStore;
  /** Their status could not be written: they are looked at again when the server is back. */
  readonly #unwritten = new Set<InstanceKey>();
  #notify: (key: InstanceKey) => void = () => undefined;

  constructor(parts: KubernetesSourceParts) {
    this.#api = parts.api;
    const statuses = new ReportedStatuses(parts.api);
    this.#reports = new PacedReports({
      statuses,
      events: new EventWriter(parts),
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
    this.#watch = new InstanceWatch({
      ...parts,
      isDisturbed: (object) => statuses.isDisturbed(object),
      onReturn: () => {
        for (const key of this.#unwritten) this.#notify(key);
      },
      onChange: (key, known) => {
        this.#changed(key, known);
      },
    });
  }

  async start(notify: (key: InstanceKey) => void): Promise<void> {
    this.#notify = notify;
    this.volumes.start();
    await this.#watch.start();
  }

  keys(): readonly InstanceKey[] {
    return this.#watch.known.keys();
  }

  declared(key: InstanceKey): Declared {
    const known = this.#watch.known.of(key);
    if (known === undefined) return { is: 'gone' };
    const { declared, isClaimed } = known;
    if (isClaimed || declared.is === 'gone') return declared;
    const message = 'this node has not been able to put its finalizer on the Instance yet';
    const { uid, generation } = declared;
    return { is: 'held', uid, generation, refused: { reason: 'SourceLost', message } };
  }

  async environmentOf(key: InstanceKey): Promise<DeclaredEnvironment> {
    const declared = this.declared(key);
    if (declared.is === 'wanted') return environmentFrom(declared.instance, this.#secrets);
    return { is: 'missing', reason: 'NotDeclared', message: `no valid declaration of ${key} is known` };
  }

  lastStatus(key: InstanceKey): InstanceStatus | undefined {
    const known = this.#watch.known.of(key);
    return known === undefined ? undefined : this.#reports.last(known.object);
  }

  async report(key: InstanceKey, status: InstanceStatus, events: readonly InstanceEvent[]): Promise<void> {
    const known = this.#watch.known.of(key);
    if (known?.isClaimed !== true) return;
    this.#unwritten.add(key);
    await this.#reports.report(known.object, status, events);
    this.#unwritten.delete(key);
  }

  async forget(key: InstanceKey): Promise<void> {
    const known = this.#watch.known.of(key);
    // Declared again while the first was being removed: its successor stays.
    if (known?.declared.is !== 'gone') return;
    await release(this.#api, known.object);
    if (this.#watch.known.of(key)?.object.uid === known.object.uid) this.#watch.known.drop(key);
    this.#letGo(key);
  }

  async close(): Promise<void> {
    this.#watch.close();
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
