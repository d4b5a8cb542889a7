import { randomUUID } from 'node:crypto';
import type { Instance } from '../../api/instance.ts';
import type { Mapping } from '../../api/raw.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { Subject } from '../reading.ts';
import { canonicalText } from '../spec-text.ts';
import type { Declared } from '../source.ts';
import type { DeclarationRecord, DeclarationRecords } from './declaration-records.ts';
import type { Ledger, Standing } from './ledger.ts';

/** What is in force of an instance. */
export type InForce = { readonly instance: Instance; readonly spec: Mapping; readonly file: string };

export type RegisterOptions = {
  readonly ledger: Ledger;
  readonly records: DeclarationRecords;
  readonly log: Logger;
  readonly now: () => number;
  readonly retryMs: number;
  /** After each change of what `declared` answers. `inForce` is absent when nothing good is known. */
  readonly onInstance: (key: InstanceKey, inForce: InForce | undefined) => void;
  readonly onSecret: (key: InstanceKey) => void;
  /** A Volume may stand otherwise than before; `subject` names it. */
  readonly publishVolume: (subject: Subject) => Promise<void>;
};

type Public = { readonly declared: Declared; readonly inForce?: InForce };
type Present = Exclude<Standing, { is: 'gone' }>;

const WRITES_AT_ONCE = 32;

/**
 * Gives each declared instance its uid and generation, and tells what is declared now. Nobody hears of
 * a new uid, or of an end, before it is on disk: a crash must not make another instance of it.
 */
export class Register {
  readonly #options: RegisterOptions;
  readonly #public = new Map<InstanceKey, Public>();
  readonly #secrets = new Map<InstanceKey, Readonly<Record<string, Secret>>>();
  /** Told, and not on disk yet: an edit need not wait for the disk, but the next one counts on from it. */
  readonly #unsaved = new Map<InstanceKey, DeclarationRecord>();
  readonly #duplicates = new Map<Subject, string>();
  readonly #due = new Set<Subject>();
  readonly #inWork = new Set<Subject>();
  readonly #untilSettled: (() => void)[] = [];
  readonly #retries = new Set<NodeJS.Timeout>();

  constructor(options: RegisterOptions) {
    this.#options = options;
  }

  declared(key: InstanceKey): Declared {
    return this.#public.get(key)?.declared ?? { is: 'gone' };
  }

  inForce(key: InstanceKey): InForce | undefined {
    return this.#public.get(key)?.inForce;
  }

  secretOf(key: InstanceKey): Readonly<Record<string, Secret>> | undefined {
    return this.#secrets.get(key);
  }

  /** These may stand otherwise than before. One that waits for the disk holds up no other. */
  consider(subjects: readonly Subject[]): void {
    for (const subject of subjects) this.#due.add(subject);
    this.#next();
  }

  async settled(): Promise<void> {
    if (this.#inWork.size === 0) return;
    await new Promise<void>((resolve) => this.#untilSettled.push(resolve));
  }

  close(): void {
    for (const retry of this.#retries) clearTimeout(retry);
  }

  #next(): void {
    for (const subject of this.#due) {
      if (this.#inWork.size >= WRITES_AT_ONCE) return;
      if (this.#inWork.has(subject)) continue;
      this.#due.delete(subject);
      this.#inWork.add(subject);
      void this.#work(subject);
    }
    if (this.#inWork.size === 0) for (const resolve of this.#untilSettled.splice(0)) resolve();
  }

  async #work(subject: Subject): Promise<void> {
    await this.#publishOrRetry(subject);
    this.#inWork.delete(subject);
    this.#next();
  }

  async #publishOrRetry(subject: Subject): Promise<void> {
    const { log, retryMs } = this.#options;
    try {
      if (isInstance(subject)) await this.#publishInstance(subject);
      else if (subject.startsWith('Volume/')) await this.#options.publishVolume(subject);
      else this.#publishSecret(subject);
    } catch (error) {
      log.error({ subject, message: messageOf(error) }, 'declaration could not be recorded');
      const retry = setTimeout(() => {
        this.#retries.delete(retry);
        this.consider([subject]);
      }, retryMs);
      this.#retries.add(retry);
    }
  }

  #publishSecret(subject: Subject): void {
    const standing = this.#options.ledger.standingOf(subject);
    this.#tellDuplicate(subject, standing);
    const key = keyOfSubject(subject);
    const good = standing.is === 'gone' ? undefined : standing.good;
    const values = good?.is === 'secret' ? good.values : undefined;
    if (this.#secrets.get(key) === values) return;
    if (values === undefined) this.#secrets.delete(key);
    else this.#secrets.set(key, values);
    this.#options.onSecret(key);
  }

  async #publishInstance(subject: Subject): Promise<void> {
    const { ledger, records } = this.#options;
    const standing = ledger.standingOf(subject);
    const key = keyOfSubject(subject);
    this.#tellDuplicate(subject, standing);
    const before = this.#unsaved.get(key) ?? records.all.get(key);
    if (standing.is === 'gone') {
      if (before !== undefined && before.gone !== true) await this.#save({ ...before, gone: true });
      this.#tell(key, undefined);
      return;
    }
    const record = this.#recordFor(key, standing, before);
    const isNew = before?.uid !== record.uid;
    if (isNew) await this.#save(record);
    this.#tell(key, publicOf(record, standing));
    if (isSame(records.all.get(key), record)) return;
    this.#unsaved.set(key, record);
    await this.#save(record);
  }

  async #save(record: DeclarationRecord): Promise<void> {
    await this.#options.records.write(record);
    this.#unsaved.delete(record.key);
  }

  /** Deleted and declared again is another instance, even before the removal of the first is done. */
  #recordFor(key: InstanceKey, standing: Present, before: DeclarationRecord | undefined): DeclarationRecord {
    const kept = before === undefined || before.gone === true ? this.#firstRecord(key, standing) : before;
    const place = this.#placeOf(standing, kept);
    if (standing.is !== 'sound' || standing.good.is !== 'instance') return { ...kept, ...place };
    const { digest } = standing.good;
    const isEdit = kept.digest !== digest;
    return { ...kept, ...place, digest, generation: isEdit ? kept.generation + 1 : kept.generation };
  }

  #placeOf({ files }: Present, kept: DeclarationRecord): Pick<DeclarationRecord, 'files' | 'root'> {
    return { files, root: this.#options.ledger.rootOf(files[0] ?? '') ?? kept.root };
  }

  #firstRecord(key: InstanceKey, { files }: Present): DeclarationRecord {
    const createdAt = this.#options.now();
    return { version: 1, key, uid: randomUUID(), generation: 0, root: '', files, createdAt };
  }

  #tell(key: InstanceKey, next: Public | undefined): void {
    const before = this.#public.get(key);
    if (next === undefined) this.#public.delete(key);
    else this.#public.set(key, next);
    if (!isSame(essenceOf(before), essenceOf(next))) this.#options.onInstance(key, next?.inForce);
  }

  #tellDuplicate(subject: Subject, standing: Standing): void {
    const isDuplicate = standing.is === 'refused' && standing.isDuplicate;
    if (!isDuplicate) {
      this.#duplicates.delete(subject);
      return;
    }
    const { message } = standing.refusal;
    if (this.#duplicates.get(subject) === message) return;
    this.#duplicates.set(subject, message);
    this.#options.log.warn({ message }, 'declared more than once');
  }
}

function publicOf(record: DeclarationRecord, standing: Present): Public {
  const { uid, generation } = record;
  const refused = standing.is === 'sound' ? undefined : standing.refusal;
  if (standing.good?.is === 'instance') {
    const { instance, spec } = standing.good;
    const inForce = { instance, spec, file: standing.goodFile };
    return {
      declared: { is: 'wanted', uid, generation, instance, ...(refused === undefined ? {} : { refused }) },
      inForce,
    };
  }
  const unknown = {
    reason: 'SourceLost',
    message: `${standing.files.join(', ')} has not been read yet`,
  } as const;
  return { declared: { is: 'held', uid, generation, refused: refused ?? unknown } };
}

/** Everything whose change somebody must hear of. The generation stands for the spec. */
function essenceOf(known: Public | undefined): unknown {
  if (known === undefined || known.declared.is === 'gone') return undefined;
  const { declared, inForce } = known;
  const { is, uid, generation, refused } = declared;
  const { labels, annotations } = inForce?.instance ?? {};
  return { is, uid, generation, refused, labels, annotations, file: inForce?.file };
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalText(one ?? null) === canonicalText(other ?? null);
}

function isInstance(subject: Subject): boolean {
  return subject.startsWith('Instance/');
}

export function keyOfSubject(subject: Subject): InstanceKey {
  const [, namespace = '', name = ''] = subject.split('/');
  return keyOf(namespace, name);
}
