import type { VolumeKey } from '../../machine/ids.ts';
import { nameOf, namespaceOf, volumeKeyOf } from '../../machine/ids.ts';
import type { Subject } from '../reading.ts';
import type { DeclaredVolume, VolumeDeclarations } from '../source.ts';
import { canonicalText } from '../spec-text.ts';
import { located } from '../volume-archive.ts';
import type { Ledger, Standing } from './ledger.ts';
import { keyOfSubject } from './register.ts';
import type { VolumePlaces } from './volume-places.ts';

type Present = Exclude<Standing, { is: 'gone' }>;

/** What is declared of each Volume now. Nobody hears of one before the place of its declaration is on disk. */
export class VolumeRegister implements VolumeDeclarations {
  readonly #ledger: Ledger;
  readonly #places: VolumePlaces;
  readonly #onSubject: (subject: Subject) => void;
  readonly #public = new Map<VolumeKey, Exclude<DeclaredVolume, { is: 'gone' }>>();
  #listener: (key: VolumeKey) => void = () => undefined;

  constructor(ledger: Ledger, places: VolumePlaces, onSubject: (subject: Subject) => void) {
    this.#ledger = ledger;
    this.#places = places;
    this.#onSubject = onSubject;
  }

  keys(): readonly VolumeKey[] {
    return [...this.#public.keys()];
  }

  declared(key: VolumeKey): DeclaredVolume {
    const known = this.#public.get(key);
    if (known !== undefined) return known;
    if (this.#places.all.has(`Volume/${key}`)) return UNREAD;
    return this.#places.isDamaged ? UNKNOWN : { is: 'gone' };
  }

  onChange(listener: (key: VolumeKey) => void): void {
    this.#listener = listener;
  }

  /** Takes up how a Volume stands in the ledger. */
  async publish(subject: Subject): Promise<void> {
    const standing = this.#ledger.standingOf(subject);
    const key = volumeKey(subject);
    const before = this.#public.get(key);
    if (standing.is === 'gone') {
      await this.#places.remove(subject);
      this.#public.delete(key);
    } else {
      await this.#writePlace(subject, standing);
      this.#public.set(key, declaredBy(standing));
    }
    if (canonicalText(before ?? null) === canonicalText(this.#public.get(key) ?? null)) return;
    this.#onSubject(subject);
    this.#listener(key);
  }

  async #writePlace(subject: Subject, { files }: Present): Promise<void> {
    const known = this.#places.all.get(subject);
    const place = { root: this.#ledger.rootOf(files[0] ?? '') ?? known?.root ?? '', files };
    if (canonicalText(known ?? null) !== canonicalText(place)) await this.#places.write(subject, place);
  }
}

const UNREAD: DeclaredVolume = {
  is: 'held',
  refused: { reason: 'SourceLost', message: 'the file that declares it has not been read yet' },
};

const UNKNOWN: DeclaredVolume = {
  is: 'held',
  refused: {
    reason: 'SourceLost',
    message: 'the record of where volumes are declared is damaged: declare the volume again',
  },
};

function declaredBy(standing: Present): Exclude<DeclaredVolume, { is: 'gone' }> {
  const refused = standing.is === 'sound' ? undefined : standing.refusal;
  if (standing.good?.is === 'volume') {
    const volume = located(standing.good.volume, standing.goodFile);
    return { is: 'wanted', volume, ...(refused === undefined ? {} : { refused }) };
  }
  const message = `${standing.files.join(', ')} has not been read yet`;
  return { is: 'held', refused: refused ?? { reason: 'SourceLost', message } };
}

function volumeKey(subject: Subject): VolumeKey {
  const key = keyOfSubject(subject);
  return volumeKeyOf(namespaceOf(key), nameOf(key));
}
