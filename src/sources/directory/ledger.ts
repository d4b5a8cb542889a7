import type { DeclaredRefusal } from '../source.ts';
import type {
  BadDocument,
  Claim,
  FileReading,
  GoodInstance,
  GoodSecret,
  GoodVolume,
  Subject,
} from '../reading.ts';

/** A claim that an earlier controller read: who it is about is known, what it says is not. */
export type Remembered = { readonly is: 'remembered' };

/** `fresh`: the file says so now. `stale`: it did, and now says nothing that can be read. `leaving`: it
 * stopped saying so a moment ago, which may be a save that is half done. */
type HeldClaim = Omit<Claim, 'says'> & {
  readonly says: Good | BadDocument | Remembered;
  readonly hold: 'fresh' | 'stale' | 'leaving';
};

export type Good = GoodInstance | GoodSecret | GoodVolume;

/**
 * What all files together say of one subject. `files` are where it is declared now; `good` is what is or
 * last was in force, and `goodFile` where that was said.
 */
export type Standing =
  | {
      readonly is: 'sound';
      readonly files: readonly string[];
      readonly good: Good;
      readonly goodFile: string;
    }
  | {
      readonly is: 'refused';
      readonly files: readonly string[];
      readonly refusal: DeclaredRefusal;
      readonly isDuplicate: boolean;
      readonly good?: Good;
      /** Empty when nothing ever was. */
      readonly goodFile: string;
    }
  | { readonly is: 'gone' };

/** What was found under the path of a file. */
export type FileFinding =
  | { readonly is: 'read'; readonly reading: FileReading }
  /** Present, but no declaration can be had of it: everything that it declared stays in force. */
  | { readonly is: 'refused'; readonly message: string }
  | { readonly is: 'absent' };

type FileEntry = { readonly root: string; claims: readonly HeldClaim[]; problem: string | undefined };

/**
 * Who declares what, by the rules of a careful directory source. Pure bookkeeping: it reads no file and
 * knows no clock. Every change answers with the subjects whose standing may have changed.
 */
export class Ledger {
  readonly #files = new Map<string, FileEntry>();
  readonly #claimants = new Map<Subject, Set<string>>();
  readonly #inForce = new Map<Subject, { readonly goodFile: string; readonly good: Good }>();
  readonly #lostRoots = new Map<string, string>();

  /** That a file declared this subject when a controller last looked. */
  remember(root: string, file: string, claim: Pick<Claim, 'subject' | 'key'>): void {
    const entry = this.#files.get(file) ?? { root, claims: [], problem: undefined };
    const claims = [...entry.claims, { ...claim, place: file, says: REMEMBERED, hold: 'fresh' as const }];
    this.#put(file, entry, claims);
  }

  /**
   * Takes in what was found. What a file no longer says is only `leaving` until `settled`, and from then
   * on gone; a file that cannot be read keeps all that it said.
   */
  accept(file: string, root: string, finding: FileFinding, settled: boolean): readonly Subject[] {
    const entry = this.#files.get(file) ?? { root, claims: [], problem: undefined };
    const before = entry.claims;
    const { claims, problem } = nextClaims(before, finding, settled);
    entry.problem = problem;
    this.#put(file, entry, claims);
    if (finding.is === 'absent' && claims.length === 0) this.#files.delete(file);
    const subjects = [...new Set([...before, ...claims].map(({ subject }) => subject))];
    for (const subject of subjects) this.#refresh(subject);
    return subjects;
  }

  /** A root that cannot be trusted keeps all its claims, refused, until it is found again. */
  loseRoot(root: string, message: string): readonly Subject[] {
    this.#lostRoots.set(root, message);
    return this.#subjectsUnder(root);
  }

  findRoot(root: string): readonly Subject[] {
    if (!this.#lostRoots.delete(root)) return [];
    const subjects = this.#subjectsUnder(root);
    for (const subject of subjects) this.#refresh(subject);
    return subjects;
  }

  isLost(root: string): boolean {
    return this.#lostRoots.has(root);
  }

  standingOf(subject: Subject): Standing {
    const claims = this.#claimsOn(subject);
    const deciding = decidingOf(claims);
    const [first] = deciding;
    if (first === undefined) return { is: 'gone' };
    const { file, claim } = first;
    const files = [...new Set(deciding.map((one) => one.file))];
    const isDuplicate = deciding.length > 1;
    const refusal = isDuplicate ? duplicateRefusal(subject, deciding) : refusalOf(first);
    if (refusal === undefined && isGood(claim.says))
      return { is: 'sound', files, good: claim.says, goodFile: file };
    const unread: DeclaredRefusal = { reason: 'SourceLost', message: `${file} has not been read yet` };
    const last = this.#inForce.get(subject) ?? { goodFile: '' };
    return { is: 'refused', files, refusal: refusal ?? unread, isDuplicate, ...last };
  }

  rootOf(file: string): string | undefined {
    return this.#files.get(file)?.root;
  }

  declares(file: string): boolean {
    return (this.#files.get(file)?.claims.length ?? 0) > 0;
  }

  isLeaving(file: string): boolean {
    return this.#files.get(file)?.claims.some(({ hold }) => hold === 'leaving') ?? false;
  }

  /** Every file that is known, whether or not it declares anything. */
  filesUnder(path: string): readonly string[] {
    return [...this.#files.keys()].filter((file) => file === path || file.startsWith(`${path}/`));
  }

  filesOfRoot(root: string): readonly string[] {
    return [...this.#files].filter(([, entry]) => entry.root === root).map(([file]) => file);
  }

  #put(file: string, entry: FileEntry, claims: readonly HeldClaim[]): void {
    for (const { subject } of entry.claims) this.#claimants.get(subject)?.delete(file);
    entry.claims = claims;
    this.#files.set(file, entry);
    for (const { subject } of claims) {
      const files = this.#claimants.get(subject) ?? new Set();
      this.#claimants.set(subject, files.add(file));
    }
  }

  #refresh(subject: Subject): void {
    const standing = this.standingOf(subject);
    if (standing.is === 'sound')
      this.#inForce.set(subject, { goodFile: standing.goodFile, good: standing.good });
    if (standing.is !== 'gone') return;
    this.#inForce.delete(subject);
    this.#claimants.delete(subject);
  }

  #claimsOn(subject: Subject): readonly Deciding[] {
    return [...(this.#claimants.get(subject) ?? [])].sort().flatMap((file) => {
      const entry = this.#files.get(file);
      if (entry === undefined) return [];
      const lost = this.#lostRoots.get(entry.root);
      return entry.claims
        .filter((claim) => claim.subject === subject)
        .map((claim) => ({ file, claim, problem: entry.problem, lost }));
    });
  }

  #subjectsUnder(root: string): readonly Subject[] {
    const entries = [...this.#files.values()].filter((entry) => entry.root === root);
    return [...new Set(entries.flatMap(({ claims }) => claims.map(({ subject }) => subject)))];
  }
}

const REMEMBERED: Remembered = { is: 'remembered' };

type Deciding = {
  readonly file: string;
  readonly claim: HeldClaim;
  readonly problem: string | undefined;
  readonly lost: string | undefined;
};

/** A claim that is leaving, or whose directory is lost, has nothing to say beside one that stands. */
function decidingOf(claims: readonly Deciding[]): readonly Deciding[] {
  const present = claims.filter(({ lost }) => lost === undefined);
  const standing = present.filter(({ claim }) => claim.hold !== 'leaving');
  if (standing.length > 0) return standing;
  return (present.length > 0 ? present : claims).slice(0, 1);
}

function refusalOf({ claim, problem, lost }: Deciding): DeclaredRefusal | undefined {
  if (lost !== undefined) return { reason: 'SourceLost', message: lost };
  if (claim.hold === 'stale' && problem !== undefined) return { reason: 'Invalid', message: problem };
  return claim.says.is === 'bad' ? { reason: 'Invalid', message: claim.says.message } : undefined;
}

function duplicateRefusal(subject: Subject, claims: readonly Deciding[]): DeclaredRefusal {
  const places = claims.map(({ claim }) => claim.place);
  return {
    reason: 'Invalid',
    message: `${subject} is declared ${places.length} times: ${places.join(', ')}: delete or rename all but one`,
  };
}

function isGood(says: HeldClaim['says']): says is Good {
  return says.is === 'instance' || says.is === 'secret' || says.is === 'volume';
}

type NextClaims = { readonly claims: readonly HeldClaim[]; readonly problem: string | undefined };

function nextClaims(before: readonly HeldClaim[], finding: FileFinding, settled: boolean): NextClaims {
  switch (finding.is) {
    case 'absent':
      return { claims: settled ? [] : held(before, 'leaving'), problem: undefined };
    case 'refused':
      return { claims: held(before, 'stale'), problem: finding.message };
    case 'read':
      return claimsRead(before, finding.reading, settled);
  }
}

function claimsRead(before: readonly HeldClaim[], reading: FileReading, settled: boolean): NextClaims {
  const problem = reading.problems.length === 0 ? undefined : reading.problems.join('\n');
  if (reading.isBroken) return { claims: held(before, 'stale'), problem };
  const said = [...reading.claims, ...reading.lookalikes.filter(({ subject }) => isAmong(before, subject))];
  const missing = before.filter(({ subject }) => !isAmong(said, subject));
  const fresh = said.map((claim) => ({ ...claim, hold: 'fresh' as const }));
  // A problem without a name may be any of those that are missing now.
  if (problem !== undefined) return { claims: [...fresh, ...held(missing, 'stale')], problem };
  return { claims: settled ? fresh : [...fresh, ...held(missing, 'leaving')], problem };
}

function held(claims: readonly HeldClaim[], hold: HeldClaim['hold']): readonly HeldClaim[] {
  return claims.map((claim) => ({ ...claim, hold }));
}

function isAmong(claims: readonly Pick<Claim, 'subject'>[], subject: Subject): boolean {
  return claims.some((claim) => claim.subject === subject);
}
