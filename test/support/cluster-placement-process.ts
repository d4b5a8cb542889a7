import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

/** `hypeman-controller placement` as a process of this machine, with every right. Resolves to what ends it. */
export async function startPlacement(
  kubeconfig: string,
  image: string,
  logPath: string,
): Promise<() => Promise<void>> {
  const log = await open(logPath, 'a');
  const words = ['placement', '--kubeconfig', kubeconfig, '--placeholder-image', image, '--listen', 'off'];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  const exited = once(child, 'exit');
  return async () => {
    child.kill();
    await exited;
  };
}
