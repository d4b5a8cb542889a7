import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ForkHouse } from '../support/fork-house.ts';
import { readStatusFile } from '../support/status-file.ts';

const PORT = 8080;
const DEADLINE_MS = 120_000;

/** Milliseconds from the file's being written until each answers, in no order. */
export async function forked(house: ForkHouse, names: readonly string[]): Promise<readonly number[]> {
  const began = performance.now();
  await house.declareForks(names, 'base', { forkFrom: { fromRunning: true } });
  return Promise.all(
    names.map(async (name) => {
      // A fork has the address of its own as soon as its program may be heard there.
      await answering(async () => (await readStatusFile(house.place, name))?.status.network?.ip);
      return performance.now() - began;
    }),
  );
}

export async function answering(addressOf: () => Promise<string | undefined>): Promise<void> {
  const until = performance.now() + DEADLINE_MS;
  while (performance.now() < until) {
    const ip = await addressOf();
    if (ip !== undefined && (await answers(ip))) return;
    await sleep(10);
  }
  throw new Error('nobody answers');
}

/** Whether the demo's HTTP server says its word there at once. */
export async function answers(ip: string): Promise<boolean> {
  const socket = connect({ host: ip, port: PORT });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(250, () => {
        resolve(false);
      });
      socket.once('error', () => {
        resolve(false);
      });
      socket.once('close', () => {
        resolve(false);
      });
      // Its own page: somebody else may answer for an address that no guest has yet.
      let said = '';
      socket.on('data', (words) => {
        said += words.toString();
        if (said.includes('from base')) resolve(true);
      });
      socket.once('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    });
  } finally {
    socket.destroy();
  }
}
