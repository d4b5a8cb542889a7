import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type LineWatch = { close(): void };

export type LineListener = {
  readonly onLine: (line: string) => void;
  /** The program ended or never started, not by `close`. */
  readonly onEnd: () => void;
};

/**
 * Runs a program that talks until it is closed, and tells each line of its stdout. It neither outlives us
 * (PR_SET_PDEATHSIG by setpriv(1), kill -9 included) nor keeps us from ending.
 */
export function watchLines(program: string, args: readonly string[], listener: LineListener): LineWatch {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  let isOpen = true;
  const end = (): void => {
    if (!isOpen) return;
    isOpen = false;
    listener.onEnd();
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (isOpen) listener.onLine(line);
  });
  child.once('error', end);
  child.once('exit', end);
  child.unref();
  // A pipe is a socket here; only its type does not say so.
  if (child.stdout instanceof Socket) child.stdout.unref();
  return {
    close: () => {
      isOpen = false;
      child.kill('SIGKILL');
    },
  };
}
