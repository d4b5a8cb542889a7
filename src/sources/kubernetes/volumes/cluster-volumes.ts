import type { Instance } from '../../../api/instance.ts';
import type { ReportedVolume } from '../../../api/reported-volume.ts';
import { messageOf } from '../../../errors.ts';
import { keyOf, nameOf, namespaceOf, volumeKeyOf } from '../../../machine/ids.ts';
import type { InstanceKey, VolumeKey } from '../../../machine/ids.ts';
import type { DeclaredVolume, VolumeDeclarations } from '../../source.ts';
import { Users } from '../../users.ts';
import { release } from '../claim.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import { VOLUME } from '../held-kind.ts';
import { isBeingDeleted } from '../kubernetes-object.ts';
import { VolumeReports } from './volume-reports.ts';
import { VolumeWatch } from './volume-watch.ts';
import type { VolumeWatchParts } from './volume-watch.ts';

export type ClusterVolumesParts = Pick<
  VolumeWatchParts,
  'api' | 'parser' | 'nodeName' | 'log' | 'timing' | 'elsewhereMs' | 'headStartMs'
> & {
  /** Volumes that this host has a disk of. */
  readonly disksOnHost: () => readonly VolumeKey[];
  /** An instance that mounts a volume of which something changed. */
  readonly onChange: (instance: InstanceKey) => void;
};

/** The Volumes of one node in a cluster, each a disk on that node alone. */
export class ClusterVolumes implements VolumeDeclarations {
  readonly #parts: ClusterVolumesParts;
  readonly #watch: VolumeWatch;
  readonly #reports: VolumeReports;
  readonly #releases: Errands<InstanceKey>;
  /** Which instances mount which. */
  readonly #users = new Users<InstanceKey>();
  #listener: (key: VolumeKey) => void = () => undefined;

  constructor(parts: ClusterVolumesParts) {
    this.#parts = parts;
    const onTrouble = (key: InstanceKey, error: unknown): void => {
      parts.log.warn({ volume: key, message: messageOf(error) }, 'the API server refused');
    };
    this.#reports = new VolumeReports({
      ...parts,
      onTrouble,
      onWritten: (object) => {
        this.#watch.see(object);
      },
    });
    this.#releases = new Errands((key) => this.#release(key), onTrouble);
    this.#watch = new VolumeWatch({
      ...parts,
      withDisk: () => parts.disksOnHost().map(objectKey),
      mounted: () => this.#users.all(),
      isDisturbed: (object) => this.#reports.isDisturbed(object),
      onChange: (key) => {
        this.#changed(key);
      },
    });
  }

  start(): void {
    this.#watch.begin();
  }

  /** What an instance mounts from now on; none: it is gone. */
  follow(instance: InstanceKey, volumes: readonly InstanceKey[]): void {
    const { begun } = this.#users.set(instance, volumes);
    for (const key of begun) this.#watch.want(key);
  }

  keys(): readonly VolumeKey[] {
    return this.#watch.known.claimed().map(volumeKey);
  }

  declared(key: VolumeKey): DeclaredVolume {
    return this.#watch.declared(objectKey(key));
  }

  onChange(listener: (key: VolumeKey) => void): void {
    this.#listener = listener;
  }

  report(volume: ReportedVolume): void {
    const known = this.#watch.known.of(keyOf(volume.namespace, volume.name));
    if (known?.isClaimed === true) this.#reports.report(known.object, volume);
  }

  forget(key: VolumeKey): void {
    this.#releases.add(objectKey(key));
  }

  async close(): Promise<void> {
    this.#watch.close();
    this.#releases.close();
    await this.#reports.close();
  }

  async #release(key: InstanceKey): Promise<ErrandResult> {
    const known = this.#watch.known.of(key);
    if (known?.isClaimed !== true || !isBeingDeleted(known.object)) return 'done';
    await release(this.#parts.api, known.object, VOLUME);
    this.#reports.forget(key);
    if (this.#watch.known.of(key)?.object.uid === known.object.uid) this.#watch.lose(key);
    return 'done';
  }

  #changed(key: InstanceKey): void {
    for (const instance of this.#users.of(key)) this.#parts.onChange(instance);
    this.#listener(volumeKey(key));
  }
}

/** The Volumes that an instance mounts. */
export function volumesOf({ namespace, spec }: Instance): readonly InstanceKey[] {
  return spec.volumes.map(({ volume }) => keyOf(namespace, volume));
}

function objectKey(key: VolumeKey): InstanceKey {
  return keyOf(namespaceOf(key), nameOf(key));
}

function volumeKey(key: InstanceKey): VolumeKey {
  return volumeKeyOf(namespaceOf(key), nameOf(key));
}
