import type { CountedEvent, InstanceEvent, ReportedInstance } from '../../api/reported.ts';
import type { InstanceStatus } from '../../api/status.ts';
import { nameOf, namespaceOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { DeclaredEnvironment } from '../../secrets/environment.ts';
import type { PullSecrets } from '../../secrets/pull-secrets.ts';
import { resolveEnvironment } from '../environment.ts';
import { resolvePullSecrets } from '../pull-secrets.ts';
import type { Declared, Source, VolumeDeclarations } from '../source.ts';
import type { DeclarationRecord, DeclarationRecords } from './declaration-records.ts';
import { DeclarationWatch } from './declaration-watch.ts';
import type { DeclarationWatchParts } from './declaration-watch.ts';
import { withEvents } from './status-files.ts';
import type { StatusFiles } from './status-files.ts';

export type DirectorySourceParts = DeclarationWatchParts & { readonly status: StatusFiles };

/** What is declared comes from the watch, what is reported goes to the status files. */
export class DirectorySource implements Source {
  readonly #records: DeclarationRecords;
  readonly #status: StatusFiles;
  readonly #watch: DeclarationWatch;

  constructor(parts: DirectorySourceParts) {
    this.#records = parts.records;
    this.#status = parts.status;
    this.#watch = new DeclarationWatch(parts);
  }

  get volumes(): VolumeDeclarations {
    return this.#watch.volumes;
  }

  async start(notify: (key: InstanceKey) => void): Promise<void> {
    await this.#watch.start(notify);
  }

  keys(): readonly InstanceKey[] {
    return [...new Set([...this.#records.all.keys(), ...this.#status.keys()])];
  }

  declared(key: InstanceKey): Declared {
    return this.#watch.register.declared(key);
  }

  async environmentOf(key: InstanceKey): Promise<DeclaredEnvironment> {
    const { register, envFiles } = this.#watch;
    const inForce = register.inForce(key);
    if (inForce === undefined)
      return { is: 'missing', reason: 'NotDeclared', message: `no valid declaration of ${key} is known` };
    return resolveEnvironment(inForce.instance, inForce.file, {
      secretOf: (secret) => register.secretOf(secret),
      envFile: (path) => envFiles.valuesOf(path),
    });
  }

  pullSecretsOf(key: InstanceKey): Promise<PullSecrets> {
    const { register } = this.#watch;
    const inForce = register.inForce(key);
    if (inForce === undefined) return Promise.resolve({ is: 'ready', configs: [] });
    return Promise.resolve(resolvePullSecrets(inForce.instance, (secret) => register.secretOf(secret)));
  }

  lastStatus(key: InstanceKey): InstanceStatus | undefined {
    const record = this.#records.all.get(key);
    const reported = this.#status.of(key);
    return record === undefined || reported?.metadata.uid === record.uid ? reported?.status : undefined;
  }

  async report(key: InstanceKey, status: InstanceStatus, events: readonly InstanceEvent[]): Promise<void> {
    const record = this.#records.all.get(key);
    if (record === undefined) return;
    const before = this.#status.of(key);
    const own = before?.metadata.uid === record.uid ? before : undefined;
    await this.#status.write(
      key,
      this.#reportFor(record, status, own, withEvents(own?.events ?? [], events)),
    );
  }

  async forget(key: InstanceKey): Promise<void> {
    const record = this.#records.all.get(key);
    // Declared again while the first was being removed: its successor's memory stays.
    if (record === undefined || record.gone === true || this.#status.of(key)?.metadata.uid !== record.uid)
      await this.#status.remove(key);
    if (record?.gone === true) await this.#records.remove(key);
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  #reportFor(
    record: DeclarationRecord,
    status: InstanceStatus,
    before: ReportedInstance | undefined,
    events: readonly CountedEvent[],
  ): ReportedInstance {
    const { key } = record;
    const declared = this.declared(key);
    const inForce = this.#watch.register.inForce(key);
    const spec = inForce?.spec ?? before?.spec;
    return {
      apiVersion: 'hypeman.dev/v1alpha1',
      kind: 'Instance',
      metadata: {
        namespace: namespaceOf(key),
        name: nameOf(key),
        uid: record.uid,
        generation: declared.is === 'gone' ? record.generation : declared.generation,
        ...textsOf(inForce?.instance ?? before?.metadata),
        creationTimestamp: new Date(record.createdAt).toISOString(),
      },
      ...(spec === undefined ? {} : { spec }),
      status,
      events,
    };
  }
}

type Texts = Readonly<Record<string, string>>;
type Labelled = { readonly labels?: Texts; readonly annotations?: Texts };

/** Labels and annotations, left out where there are none. */
function textsOf({ labels = {}, annotations = {} }: Labelled = {}): Labelled {
  return {
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
