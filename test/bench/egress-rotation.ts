import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { CORES, monotonicMs, startAside } from './egress/processes.ts';
import { GRANTED, benchPolicy, openBenchStage } from './egress/stage.ts';
import type { BenchStage } from './egress/stage.ts';
import type { Seen, SteadyDone, SteadyJob } from './egress/steady-load.ts';
import { figureOf, quantileOf } from './figures.ts';
import type { BenchResult } from './figures.ts';

const ROTATIONS = 50;
/** Others use the machine: of latencies the best round counts, of faults every one. */
const ROUNDS = 3;
const PER_SECOND = 1000;
const LINES = 32;
const EVERY_MS = 100;

/** When a value was put, and when the proxy said that it is in force. */
type Rotation = { readonly putAt: number; readonly ackAt: number };

/** A thousand requests a second on open connections while the value is changed fifty times. */
export async function benchRotation(say: (text: string) => void): Promise<BenchResult> {
  const stage = await openBenchStage();
  try {
    const { ports, certificate } = await stage.egress.put(policyOf(0), 'r0');
    await stage.pinned();
    writeFileSync(`${stage.root}/guest-ca.pem`, certificate);
    const load = startAside<SteadyDone>(CORES.client, new URL('./egress/steady-load.ts', import.meta.url), {
      ...{ port: ports.explicit, host: GRANTED, ca: `${stage.root}/guest-ca.pem` },
      ...{ lines: LINES, perSecond: PER_SECOND },
    } satisfies SteadyJob);
    await sleep(1000);
    const rotations: Rotation[] = [{ putAt: 0, ackAt: 0 }];
    for (let round = 1; round <= ROUNDS; round += 1) {
      await rotate(stage, rotations);
      say(`round ${round} of ${ROUNDS}, load ${(loadavg()[0] ?? 0).toFixed(1)}`);
    }
    const { seen, failed } = await load.stop();
    return { name: 'egress-rotation', aims: aimsOf(seen, failed, rotations) };
  } finally {
    await stage.close();
  }
}

function policyOf(value: number) {
  return benchPolicy({ generation: value }, `value-${value}-of-many`);
}

async function rotate({ egress }: BenchStage, rotations: Rotation[]): Promise<void> {
  for (let count = 0; count < ROTATIONS; count += 1) {
    const value = rotations.length;
    const putAt = monotonicMs();
    await egress.put(policyOf(value), `r${value}`);
    rotations.push({ putAt, ackAt: monotonicMs() });
    await sleep(EVERY_MS);
  }
}

function aimsOf(seen: readonly Seen[], failed: number, rotations: readonly Rotation[]) {
  const mixed = seen.filter(({ value }) => value === undefined).length;
  const stale = seen.filter(
    ({ sentAt, value }) => value !== undefined && sentAt > (rotations[value + 1]?.ackAt ?? Infinity),
  ).length;
  const firstUse = rotations.slice(1).map(({ putAt }, at) => {
    const used = seen.filter(({ value }) => value === at + 1).map(({ heardAt }) => heardAt);
    return Math.min(...used) - putAt;
  });
  const none = { aim: 'none', isMet: (count: number) => count === 0 };
  const seconds = ((seen.at(-1)?.heardAt ?? 0) - (seen[0]?.heardAt ?? 0)) / 1000;
  const rounds = Array.from({ length: ROUNDS }, (_, at) =>
    firstUse.slice(at * ROTATIONS, (at + 1) * ROTATIONS),
  );
  const p99 = Math.min(...rounds.map((round) => quantileOf(round, 0.99)));
  return [
    figureOf('requests/s', seen.length / seconds, '1/s'),
    figureOf('failed requests', failed, '', { aim: none.aim, met: none.isMet(failed) }),
    figureOf('mixed values', mixed, '', { aim: none.aim, met: none.isMet(mixed) }),
    figureOf('old values after the acknowledgement', stale, '', { aim: none.aim, met: none.isMet(stale) }),
    figureOf(
      'put to acknowledgement p50',
      quantileOf(
        rotations.slice(1).map(({ putAt, ackAt }) => ackAt - putAt),
        0.5,
      ),
      'ms',
    ),
    figureOf('put to first use p50', quantileOf(firstUse, 0.5), 'ms'),
    figureOf('put to first use p99, of the best round', p99, 'ms', { aim: 'under 50', met: p99 < 50 }),
  ];
}
