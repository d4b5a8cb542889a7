import type { Instance } from '../../api/instance.ts';
import type { Parser } from '../../api/parser.ts';
import type { Logger } from '../../log.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { keyOf } from '../../machine/ids.ts';
import { envFilesOf } from '../environment.ts';
import { readDeclarations } from '../reading.ts';
import type { Reader, Subject } from '../reading.ts';
import { DeclarationFiles } from './declaration-files.ts';
import type { DeclarationRecords } from './declaration-records.ts';
import { EnvFiles } from './env-files.ts';
import { FileChecks } from './file-checks.ts';
import type { LookAtPath } from './file-checks.ts';
import { FollowedLinks } from './followed-links.ts';
import { Ledger } from './ledger.ts';
import { observeFile } from './observe-file.ts';
import { keyOfSubject, Register } from './register.ts';
import type { InForce } from './register.ts';
import type { Timing } from './timing.ts';
import { pullSecretKeysOf } from '../pull-secrets.ts';
import { Users } from '../users.ts';
import type { VolumePlaces } from './volume-places.ts';
import { VolumeRegister } from './volume-register.ts';
import { WatchedRoot } from './watched-root.ts';
import { Watches } from './watches.ts';

export type DeclarationWatchParts = {
  /** Absolute, each once. */
  readonly paths: readonly string[];
  readonly records: DeclarationRecords;
  readonly volumePlaces: VolumePlaces;
  readonly parser: Parser;
  readonly log: Logger;
  readonly pruneAll: boolean;
  readonly now: () => number;
  readonly timing: Timing;
  readonly onError: (error: unknown, what: string) => void;
};

// Node reads files on four threads; more only takes memory.
const LOOKS_AT_ONCE = 16;

/** Ties the watched paths, the files in them and what they declare together, from `start` to `close`. */
export class DeclarationWatch {
  readonly register: Register;
  readonly volumes: VolumeRegister;
  readonly envFiles: EnvFiles;
  readonly #parts: DeclarationWatchParts;
  readonly #ledger = new Ledger();
  readonly #watches: Watches;
  readonly #declarationChecks: FileChecks;
  readonly #envChecks: FileChecks;
  readonly #roots: readonly WatchedRoot[];
  readonly #users = new Users();
  readonly #timers: NodeJS.Timeout[] = [];
  #notify: (key: InstanceKey) => void = () => undefined;

  constructor(parts: DeclarationWatchParts) {
    const { log, timing, records, now } = parts;
    this.#parts = parts;
    this.#watches = new Watches((error) => {
      parts.onError(error, 'watch');
    });
    this.volumes = new VolumeRegister(this.#ledger, parts.volumePlaces, (subject) => {
      this.#notifyUsers(subject);
    });
    this.register = new Register({
      ...{ ledger: this.#ledger, records, log, now, retryMs: timing.retryMs },
      onInstance: (key, inForce) => {
        this.#onInstance(key, inForce);
      },
      onSecret: (key) => {
        this.#notifyUsers(`Secret/${key}`);
      },
      publishVolume: (subject) => this.volumes.publish(subject),
    });
    this.envFiles = new EnvFiles({
      watches: this.#watches,
      graceMs: timing.graceMs,
      onHint: (path) => {
        this.#envChecks.hint(path);
      },
      onChange: (path) => {
        this.#notifyUsers(path);
      },
    });
    const hint = (path: string): void => {
      this.#declarationChecks.hint(path);
    };
    const reader: Reader = { parser: parts.parser, salt: records.salt };
    const files = new DeclarationFiles({
      ...{ ledger: this.#ledger, register: this.register, reader, log, graceMs: timing.graceMs },
      links: new FollowedLinks(this.#watches, hint),
      rootOf: (path) => this.#roots.find((root) => root.covers(path)),
    });
    this.#declarationChecks = this.#checksBy((path, quietMs) => files.look(path, quietMs));
    this.#envChecks = this.#checksBy((path, quietMs) => this.envFiles.look(path, quietMs));
    this.#roots = this.#openRoots(reader);
  }

  /** Resolves when what is declared now is known and recorded, or `startMs` have passed. */
  async start(notify: (key: InstanceKey) => void): Promise<void> {
    const { timing, pruneAll } = this.#parts;
    this.#remember();
    await Promise.all(this.#roots.map((root) => root.examine()));
    await this.#declarationChecks.settled(timing.startMs);
    if (pruneAll) this.#prune();
    this.register.consider([...this.#parts.records.all.keys()].map((key) => `Instance/${key}` as const));
    this.register.consider([...this.#parts.volumePlaces.all.keys()]);
    await this.register.settled();
    this.#notify = notify;
    this.#poll();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#declarationChecks.close();
    this.#envChecks.close();
    for (const root of this.#roots) root.close();
    this.#watches.close();
    this.register.close();
    await this.register.settled();
  }

  /** What earlier controllers knew: a file that is broken now still declares what it did. */
  #remember(): void {
    for (const { key, root, files, gone } of this.#parts.records.all.values())
      if (gone !== true) for (const file of files) this.#rememberFile(`Instance/${key}`, root, file);
    for (const [subject, { root, files }] of this.#parts.volumePlaces.all)
      for (const file of files) this.#rememberFile(subject, root, file);
  }

  #rememberFile(subject: Subject, root: string, file: string): void {
    const covering =
      this.#roots.find(({ path }) => path === root) ?? this.#roots.find((one) => one.covers(file));
    this.#ledger.remember(covering?.path ?? root, file, { key: keyOfSubject(subject), subject });
    if (covering === undefined) this.#ledger.loseRoot(root, unwatched(root));
  }

  #prune(): void {
    const { records, volumePlaces } = this.#parts;
    const places = [...records.all.values(), ...volumePlaces.all.values()];
    const roots = new Set(places.map(({ root }) => root));
    for (const root of roots)
      if (this.#ledger.isLost(root))
        for (const file of this.#ledger.filesOfRoot(root))
          this.register.consider(this.#ledger.accept(file, root, { is: 'absent' }, true));
  }

  /** What no event tells: mounts, lost directories that are back, queues that ran over. */
  #poll(): void {
    const { timing } = this.#parts;
    const every = (ms: number, work: (root: WatchedRoot) => Promise<void>): void => {
      this.#timers.push(setInterval(() => void Promise.all(this.#roots.map(work)), ms));
    };
    every(timing.lostPollMs, async (root) => {
      if (this.#ledger.isLost(root.path)) await root.checkIdentity();
    });
    every(timing.identityMs, (root) => root.checkIdentity());
    every(timing.rescanMs, (root) => root.examine());
  }

  #openRoots(reader: Reader): readonly WatchedRoot[] {
    const { paths, records, log, now, timing } = this.#parts;
    const isDeclaration = async (path: string): Promise<boolean> => {
      const seen = await observeFile(path);
      return seen.is === 'text' && readDeclarations(seen.text, path, reader).claims.length > 0;
    };
    return paths.map(
      (path) =>
        new WatchedRoot(path, {
          ...{ ledger: this.#ledger, register: this.register, records, watches: this.#watches },
          ...{ files: this.#declarationChecks, log, now, timing, isDeclaration },
        }),
    );
  }

  #checksBy(look: LookAtPath): FileChecks {
    const { timing, now, onError } = this.#parts;
    return new FileChecks({ look, delayMs: timing.delayMs, limit: LOOKS_AT_ONCE, now, onError });
  }

  #onInstance(key: InstanceKey, inForce: InForce | undefined): void {
    const envFiles = inForce === undefined ? [] : envFilesOf(inForce.instance, inForce.file);
    const secrets = inForce === undefined ? [] : secretsOf(inForce.instance);
    const volumes = inForce === undefined ? [] : volumesOf(inForce.instance);
    const { begun, ended } = this.#users.set(key, [...envFiles, ...secrets, ...volumes]);
    for (const path of begun) if (path.startsWith('/')) this.envFiles.use(path);
    for (const path of ended) if (path.startsWith('/')) this.envFiles.drop(path);
    this.#notify(key);
  }

  #notifyUsers(of: string): void {
    for (const key of this.#users.of(of)) this.#notify(key);
  }
}

function secretsOf(instance: Instance): readonly string[] {
  const { namespace, spec } = instance;
  const named = spec.envFrom.flatMap((from) => (from.from === 'secret' ? [keyOf(namespace, from.name)] : []));
  return [...named, ...pullSecretKeysOf(instance)].map((key) => `Secret/${key}`);
}

function volumesOf({ namespace, spec }: Instance): readonly string[] {
  return spec.volumes.map(({ volume }) => `Volume/${keyOf(namespace, volume)}`);
}

function unwatched(root: string): string {
  if (root === '')
    return 'the record of where it is declared is damaged: declare it again, or start with --prune-all';
  return `${root} is no longer watched: watch it again, or start with --prune-all to remove what it declared`;
}
