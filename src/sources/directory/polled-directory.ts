import { statfsSync } from 'node:fs';
import { basename } from 'node:path';
import { watch } from 'chokidar';
import type { DirectoryWatch } from '../../host/watch-directory.ts';
import { identityOfDirectory } from '../../host/watch-directory.ts';

/**
 * Filesystems whose changes by others the kernel does not tell (inotify(7), "Limitations and caveats"), by
 * their magic numbers (statfs(2)): NFS, SMB and CIFS, 9p, FUSE, Ceph, AFS.
 */
const TOLD_BY_NOBODY: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x00c36400, 0x5346414f,
]);

export function needsPolling(path: string): boolean {
  try {
    return TOLD_BY_NOBODY.has(statfsSync(path).type);
  } catch {
    return false;
  }
}

/**
 * As `watchDirectory`, for directories that have to be asked. chokidar does the asking; on filesystems that
 * tell, one inotify watch of our own per directory is kept instead, because chokidar holds one per file
 * (measured with 10,000 files in one directory: 75 MB, and 9 to 37 ms until an edit is told).
 */
export function pollDirectory(
  path: string,
  onChange: (name: string | undefined) => void,
  intervalMs: number,
): DirectoryWatch {
  const identity = identityOfDirectory(path) ?? '';
  const watcher = watch(path, {
    usePolling: true,
    interval: intervalMs,
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    atomic: false,
  });
  watcher.on('all', (_event, changed) => {
    onChange(basename(changed));
  });
  // What changed before everything was known is not told.
  watcher.on('ready', () => {
    onChange(undefined);
  });
  watcher.on('error', () => {
    onChange(undefined);
  });
  return { identity, close: () => void watcher.close() };
}
