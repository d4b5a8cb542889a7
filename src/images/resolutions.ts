import { readIfThere, writeAtomically } from '../host/files.ts';
import { isDigest } from './reference.ts';

export type Resolution = { readonly digest: string; readonly at: number };

/**
 * Which digest each reference had when it was last resolved, in `<state>/images/references.json`: what a host
 * goes on with while a registry is away.
 */
export type Resolutions = {
  of(reference: string): Resolution | undefined;
  /** Durable when it returns, unless it is `passing`: gone with this process. */
  note(reference: string, resolution: Resolution, isPassing?: boolean): Promise<void>;
  /** Drops those whose digest is not kept any more. */
  keepOnly(isKept: (digest: string) => boolean): Promise<void>;
};

export async function openResolutions(directory: string): Promise<Resolutions> {
  const path = `${directory}/references.json`;
  const known = parse(await readIfThere(path));
  const passing = new Map<string, Resolution>();
  let lastWrite: Promise<void> = Promise.resolve();
  // One after another, or an older text could be renamed over a newer one.
  const write = (): Promise<void> => {
    lastWrite = lastWrite
      .catch(() => undefined)
      .then(() => writeAtomically(path, `${JSON.stringify(Object.fromEntries(known), undefined, 2)}\n`));
    return lastWrite;
  };
  return {
    of: (reference) => known.get(reference) ?? passing.get(reference),
    note: async (reference, resolution, isPassing = false) => {
      if (isPassing) {
        passing.set(reference, resolution);
        return;
      }
      const before = known.get(reference)?.digest;
      known.set(reference, resolution);
      if (before !== resolution.digest) await write();
    },
    keepOnly: async (isKept) => {
      for (const [reference, { digest }] of passing) if (!isKept(digest)) passing.delete(reference);
      const lost = [...known].filter(([, { digest }]) => !isKept(digest));
      for (const [reference] of lost) known.delete(reference);
      if (lost.length > 0) await write();
    },
  };
}

/** A text that cannot be read costs no more than one question to a registry. */
function parse(text: string | undefined): Map<string, Resolution> {
  const known = new Map<string, Resolution>();
  let value: unknown;
  try {
    value = JSON.parse(text ?? '{}');
  } catch {
    return known;
  }
  for (const [reference, resolution] of Object.entries(value ?? {})) {
    if (isResolution(resolution)) known.set(reference, resolution);
  }
  return known;
}

function isResolution(value: unknown): value is Resolution {
  if (typeof value !== 'object' || value === null) return false;
  const { digest, at } = value as Partial<Resolution>;
  return typeof digest === 'string' && isDigest(digest) && typeof at === 'number';
}
