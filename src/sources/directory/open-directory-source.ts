import { resolve } from 'node:path';
import type { Parser } from '../../api/parser.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Roots } from '../../machine/paths.ts';
import type { Source } from '../source.ts';
import { DirectorySource } from './directory-source.ts';
import { openDeclarationRecords } from './declaration-records.ts';
import { StatusFiles } from './status-files.ts';
import { openVolumePlaces } from './volume-places.ts';
import { TIMING } from './timing.ts';
import type { Timing } from './timing.ts';

export type DirectorySourceOptions = {
  /** Directories, or single files. */
  readonly directories: readonly string[];
  readonly roots: Roots;
  readonly parser: Parser;
  readonly log: Logger;
  /** What cannot be found at the start counts as deleted, where otherwise it would be held. */
  readonly pruneAll: boolean;
  readonly now?: () => number;
  readonly timing?: Partial<Timing>;
};

/**
 * Declarations in watched directories, read with care: see the README of this room. Writes below the state
 * directory only; `start` begins to watch.
 */
export async function openDirectorySource(options: DirectorySourceOptions): Promise<Source> {
  const { directories, roots, parser, log, pruneAll } = options;
  const records = await openDeclarationRecords(roots.state);
  const status = new StatusFiles(roots.state);
  await status.load();
  return new DirectorySource({
    paths: [...new Set(directories.map((path) => resolve(path)))],
    records,
    volumePlaces: await openVolumePlaces(roots.state),
    status,
    parser,
    log,
    pruneAll,
    now: options.now ?? Date.now,
    timing: { ...TIMING, ...options.timing },
    onError: (error, what) => {
      log.error({ what, message: messageOf(error) }, 'watching failed');
    },
  });
}
