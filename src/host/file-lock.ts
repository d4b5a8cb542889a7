import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { HypemanError } from '../errors.ts';
import { errorCode } from './files.ts';

export type FileLock = {
  /** The open file that holds the lock; what is written through it is for whoever is refused. */
  readonly fd: number;
  release(): void;
};

/** flock(1) --conflict-exit-code: told apart from its own failures. */
const HELD = 75;

/**
 * Takes an exclusive flock(2) on `path` (made if absent, never removed), or returns undefined when
 * somebody holds it. Node has no flock; but a flock belongs to the open file description, so flock(1)
 * can take it on a descriptor that it inherits, and the lock stays with us when that program has ended.
 * The kernel lets go of it when this process ends in whatever way. Node opens with O_CLOEXEC: no child
 * of ours keeps the lock alive.
 */
export async function tryLock(path: string): Promise<FileLock | undefined> {
  // A plain descriptor: a FileHandle is closed, and the lock lost, when it is collected as garbage.
  const fd = openSync(path, 'a+', 0o600);
  try {
    const { exitCode, stderr } = await flock(fd);
    if (exitCode === 0) return { fd, release: onceClosing(fd) };
    if (exitCode !== HELD) throw lockFailed(`cannot lock ${path}: ${stderr.trim().slice(-300)}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** Not `runCommand`: the descriptor must be inherited, as number 0. It never waits, so needs no deadline. */
async function flock(fd: number): Promise<{ readonly exitCode: number | null; readonly stderr: string }> {
  const args = ['--exclusive', '--nonblock', '--conflict-exit-code', `${HELD}`, '0'];
  const child = spawn('flock', args, {
    stdio: [fd, 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(errorCode(error) === 'ENOENT' ? toolMissing(error) : error);
    });
    child.once('close', (exitCode) => {
      resolve({ exitCode, stderr });
    });
  });
}

function toolMissing(cause: unknown): HypemanError {
  return new HypemanError('transient', 'ToolMissing', 'the program flock is not installed on this host', {
    cause,
    facts: { tool: 'flock' },
  });
}

function lockFailed(message: string): HypemanError {
  return new HypemanError('transient', 'LockFailed', message);
}

/** A second close could hit a descriptor that somebody else was given meanwhile. */
function onceClosing(fd: number): () => void {
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    try {
      closeSync(fd);
    } catch (error) {
      if (errorCode(error) !== 'EBADF') throw error;
    }
  };
}
