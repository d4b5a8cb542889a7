import type { Logger } from '../../log.ts';
import { readDeclarations } from '../reading.ts';
import type { FileReading, Reader } from '../reading.ts';
import { mayBeHalfWritten } from './doubt.ts';
import type { FollowedLinks } from './followed-links.ts';
import type { FileFinding, Ledger } from './ledger.ts';
import { observeFile } from './observe-file.ts';
import type { FileVersion, Observation } from './observe-file.ts';
import type { Register } from './register.ts';

/** What a file's look must know of the watched path that it stands under. */
export type RootOfFile = {
  readonly path: string;
  /** Something of this root was seen to go just now. */
  noteLoss(): void;
  /** 0 when what is gone from it may count as deleted, else how long to wait and ask again. */
  lossPatience(): number;
};

export type DeclarationFilesOptions = {
  readonly ledger: Ledger;
  readonly register: Register;
  readonly links: FollowedLinks;
  readonly reader: Reader;
  readonly log: Logger;
  readonly graceMs: number;
  readonly rootOf: (path: string) => RootOfFile | undefined;
};

/** Looks at declaration files and takes into the ledger what may be believed of what was seen. */
export class DeclarationFiles {
  readonly #options: DeclarationFilesOptions;
  readonly #versions = new Map<string, FileVersion>();
  readonly #told = new Map<string, string>();

  constructor(options: DeclarationFilesOptions) {
    this.#options = options;
  }

  /** A look for `FileChecks`. */
  async look(path: string, quietMs: number): Promise<number> {
    const { ledger, links, graceMs, rootOf } = this.#options;
    const root = rootOf(path);
    if (root === undefined || ledger.isLost(root.path)) return 0;
    await links.renew(path);
    const known = ledger.isLeaving(path) ? undefined : this.#versions.get(path)?.signature;
    const seen = await observeFile(path, known);
    if (seen.is === 'same') return 0;
    const { finding, isDoubtful } = this.#judge(path, seen);
    const ageMs = seen.is === 'text' ? Date.now() - seen.version.modifiedAt : 0;
    const patienceMs = graceMs - Math.max(quietMs, ageMs);
    if (isDoubtful && patienceMs > 0) return Math.min(patienceMs, graceMs);
    if (seen.is === 'text') this.#versions.set(path, seen.version);
    else this.#versions.delete(path);
    return this.#accept(path, root, { finding, patienceMs });
  }

  #accept(
    path: string,
    root: RootOfFile,
    { finding, patienceMs }: { finding: FileFinding; patienceMs: number },
  ): number {
    const { ledger, register, graceMs } = this.#options;
    const wasLeaving = ledger.isLeaving(path);
    register.consider(ledger.accept(path, root.path, finding, false));
    this.#tellProblems(path, finding);
    if (!ledger.isLeaving(path)) return 0;
    if (!wasLeaving) root.noteLoss();
    if (patienceMs > 0) return Math.min(patienceMs, graceMs);
    const waitMs = root.lossPatience();
    if (waitMs > 0) return waitMs;
    register.consider(ledger.accept(path, root.path, finding, true));
    return 0;
  }

  #judge(
    path: string,
    seen: Exclude<Observation, { is: 'same' }>,
  ): { finding: FileFinding; isDoubtful: boolean } {
    const { ledger, reader } = this.#options;
    if (seen.is === 'absent') return { finding: seen, isDoubtful: false };
    const hadClaims = ledger.declares(path);
    if (seen.is === 'unreadable')
      return { finding: { is: 'refused', message: `${path} ${seen.message}` }, isDoubtful: true };
    if (seen.text.trim() === '' && hadClaims) return { finding: emptied(path), isDoubtful: true };
    const reading = readDeclarations(seen.text, path, reader);
    const isDoubtful =
      reading.isBroken || mayBeHalfWritten(seen.text, seen.version, this.#versions.get(path));
    return { finding: { is: 'read', reading }, isDoubtful: isDoubtful && !isNothing(reading) };
  }

  /** Once for each change of what is wrong. */
  #tellProblems(file: string, finding: FileFinding): void {
    const { log, ledger } = this.#options;
    if (finding.is === 'absent') {
      this.#told.delete(file);
      return;
    }
    const problems = problemsIn(finding);
    const warnings = finding.is === 'read' ? finding.reading.warnings : [];
    const text = [...problems, ...warnings].join('\n');
    if (finding.is === 'read' && finding.reading.ignored > 0)
      log.debug({ file, documents: finding.reading.ignored }, 'documents of other kinds ignored');
    if ((this.#told.get(file) ?? '') === text) return;
    if (text === '') this.#told.delete(file);
    else this.#told.set(file, text);
    if (problems.length > 0)
      log.warn({ file, problems, keptLastGood: ledger.declares(file) }, 'declaration refused');
    else if (warnings.length > 0) log.warn({ file, warnings }, 'declaration accepted with warnings');
    else log.info({ file }, 'declaration is in order again');
  }
}

/**
 * Truncating a file and failing to write it again is what a full disk and a crash leave behind, so that
 * an empty file never deletes anything.
 */
function emptied(path: string): FileFinding {
  return {
    is: 'refused',
    message: `${path} is empty: delete the file to remove what it declared, or leave a comment in it`,
  };
}

function isNothing({ claims, problems }: FileReading): boolean {
  return claims.length === 0 && problems.length === 0;
}

function problemsIn(finding: Exclude<FileFinding, { is: 'absent' }>): readonly string[] {
  if (finding.is === 'refused') return [finding.message];
  const bad = finding.reading.claims.flatMap(({ says }) =>
    says.is === 'bad' ? says.message.split('\n') : [],
  );
  return [...finding.reading.problems, ...bad];
}
