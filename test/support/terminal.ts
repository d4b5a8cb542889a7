import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from './controller-process.ts';

/** A terminal of this host with a command in it, and somebody who reads it and types. */
export type Terminal = {
  /** Waits until this is on it, and returns all that was. */
  shows(what: RegExp): Promise<string>;
  type(keys: string): void;
  /** Resolves with the exit code of the command. */
  readonly ended: Promise<number>;
};

/** By script(1) of util-linux, which gives the command a pseudo-terminal. Without an end in time it is killed. */
export function openTerminal(commandLine: string, withinMs = 60_000): Terminal {
  const child = spawn('script', ['-qec', commandLine, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: withinMs,
    killSignal: 'SIGKILL',
  });
  let seen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  return {
    shows: (what) =>
      eventually(
        String(what),
        () => Promise.resolve(seen),
        (text) => what.test(text),
        withinMs,
      ),
    type: (keys) => {
      child.stdin.write(keys);
    },
    ended: once(child, 'close').then(([code]) => Number(code ?? -1)),
  };
}
