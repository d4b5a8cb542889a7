import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A TCP connection that is held open to a program which sends back each line that it gets. */
export type EchoLine = {
  /** Rejects when the line is not back in time, or the connection has ended. */
  echo(line: string, withinMs: number): Promise<void>;
  close(): Promise<void>;
};

/** From within a network namespace; `nc` is busybox's. */
export function openEchoLine(namespace: string, address: string, port: number): EchoLine {
  const words = [`--net=/run/netns/${namespace}`, 'busybox', 'nc', address, String(port)];
  const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  child.stdin.on('error', () => undefined);
  const heard = new Set<string>();
  createInterface({ input: child.stdout }).on('line', (line) => heard.add(line));
  return {
    echo: async (text, withinMs) => {
      child.stdin.write(`${text}\n`);
      const end = Date.now() + withinMs;
      while (!heard.has(text)) {
        if (child.exitCode !== null)
          throw new Error(`${address}:${port} ended the connection before ${text}`);
        if (Date.now() > end)
          throw new Error(`${address}:${port} did not send ${text} back in ${withinMs} ms`);
        await sleep(50);
      }
    },
    close: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
