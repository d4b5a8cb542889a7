import { statSync, watch } from 'node:fs';
import { basename } from 'node:path';
import { HypemanError } from '../errors.ts';
import { errorCode } from './files.ts';

export type DirectoryWatch = {
  /** Which directory is watched, whatever stands under its name now. See `identityOfDirectory`. */
  readonly identity: string | undefined;
  close(): void;
};

/**
 * Tells each change of a name in one directory (inotify(7), FSEvents): `onChange(name)`, or undefined when
 * anything may have changed. The directory's own end is told as its own name. Throws what
 * watch(2) does; `WatchLimit` when the kernel has no watch left.
 */
export function watchDirectory(path: string, onChange: (name: string | undefined) => void): DirectoryWatch {
  const before = identityOfDirectory(path);
  const watcher = openWatcher(path, onChange);
  // A watch that failed has ended, as if its directory had.
  watcher.on('error', () => {
    onChange(basename(path));
  });
  const identity = identityOfDirectory(path);
  if (identity !== before)
    queueMicrotask(() => {
      onChange(undefined);
    });
  return {
    identity,
    close: () => {
      watcher.close();
    },
  };
}

function openWatcher(path: string, onChange: (name: string | undefined) => void): ReturnType<typeof watch> {
  try {
    return watch(path, (_event, name) => {
      onChange(name ?? undefined);
    });
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC' && errorCode(error) !== 'EMFILE') throw error;
    throw new HypemanError(
      'transient',
      'WatchLimit',
      `cannot watch ${path} for changes: raise fs.inotify.max_user_watches and max_user_instances with sysctl`,
      { cause: error },
    );
  }
}

/**
 * Device, inode and time of birth, or undefined when there is no directory to be seen. An inode number is
 * used again at once, so two directories that never were the same may share the first two (ext4).
 */
export function identityOfDirectory(path: string): string | undefined {
  try {
    const seen = statSync(path, { bigint: true });
    return seen.isDirectory() ? `${seen.dev}:${seen.ino}:${seen.birthtimeNs}` : undefined;
  } catch {
    return undefined;
  }
}
