import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOfDirectory } from '../../host/watch-directory.ts';
import { isDeclarationName, isHidden } from './names.ts';

// Far deeper than any sane checkout; a bind mount of a directory into itself would never end.
const MAX_DEPTH = 32;

export type TreeVisitor = {
  /** Before a directory is listed: what is watched from now on cannot be missed. */
  enter(directory: string): void;
  /** A directory below the top that cannot be listed. */
  unreadable(directory: string, error: unknown): void;
};

/**
 * The paths of all declaration files under a directory, links followed, each directory once however many
 * names it has, hidden names left out. Throws when the top itself cannot be listed.
 */
export async function listTree(top: string, visitor: TreeVisitor): Promise<readonly string[]> {
  const seen = new Set<string>();
  const files: string[] = [];
  const visit = async (directory: string, depth: number): Promise<void> => {
    const identity = identityOfDirectory(directory);
    if ((identity !== undefined && seen.has(identity)) || depth > MAX_DEPTH) return;
    if (identity !== undefined) seen.add(identity);
    visitor.enter(directory);
    const { real, linked } = await entriesOf(directory, files);
    // A directory's own name goes before one that a link gives it.
    for (const name of [...real, ...linked])
      try {
        await visit(join(directory, name), depth + 1);
      } catch (error) {
        visitor.unreadable(join(directory, name), error);
      }
  };
  await visit(top, 0);
  return files;
}

type Directories = { readonly real: readonly string[]; readonly linked: readonly string[] };

async function entriesOf(directory: string, files: string[]): Promise<Directories> {
  const real: string[] = [];
  const linked: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (isHidden(entry.name)) continue;
    if (entry.isDirectory()) real.push(entry.name);
    else if (await isLinkedDirectory(directory, entry)) linked.push(entry.name);
    else if (isDeclarationName(entry.name)) files.push(join(directory, entry.name));
  }
  return { real: real.sort(), linked: linked.sort() };
}

async function isLinkedDirectory(directory: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return false;
  return stat(join(directory, entry.name)).then(
    (seen) => seen.isDirectory(),
    () => false,
  );
}
