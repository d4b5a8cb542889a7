import { Secret } from '../../src/secrets/secret.ts';
import { aGrant, aPolicy } from '../support/egress-policies.ts';
import { residentMibOf } from './egress/processes.ts';
import { openBenchStage } from './egress/stage.ts';
import { figureOf, quantileOf } from './figures.ts';
import type { BenchResult } from './figures.ts';

const INSTANCES = 1000;
const CREDENTIALS = 5;
const SWAPS = 200;

/** A full host: what a thousand instances of five credentials hold, and how long one edit takes among them. */
export async function benchFleet(say: (text: string) => void): Promise<BenchResult> {
  const stage = await openBenchStage();
  try {
    await stage.egress.put(policyOf(0, 0), 'r0');
    const pid = await stage.pinned();
    const idleMib = residentMibOf(pid);
    const first = await timed(INSTANCES, (at) => stage.egress.put(policyOf(at, 1), `r1-${at}`));
    const fullMib = residentMibOf(pid);
    const swaps = await timed(SWAPS, (at) => stage.egress.put(policyOf(at, 2), `r2-${at}`));
    say(`${INSTANCES} instances with ${CREDENTIALS} credentials each`);
    return {
      name: 'egress-fleet',
      aims: [
        figureOf('memory with one instance', idleMib, 'MiB'),
        figureOf('memory with all', fullMib, 'MiB'),
        figureOf('a first policy, with its CA and ports, p50', quantileOf(first, 0.5), 'ms'),
        figureOf('a swap p50', quantileOf(swaps, 0.5), 'ms'),
        figureOf('a swap p99', quantileOf(swaps, 0.99), 'ms', {
          aim: 'under 50',
          met: quantileOf(swaps, 0.99) < 50,
        }),
      ],
    };
  } finally {
    await stage.close();
  }
}

async function timed(count: number, work: (at: number) => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const began = performance.now();
    await work(at);
    times.push(performance.now() - began);
  }
  return times;
}

function policyOf(at: number, generation: number) {
  const grants = Array.from({ length: CREDENTIALS }, (_, nth) =>
    aGrant({
      credential: `key-${nth}`,
      hosts: [`api-${nth}.example.com`, `*.service-${nth}.example.com`],
      placeholder: `mock-key-${nth}`,
      value: new Secret(`value-${at}-${nth}-${generation}`.padEnd(64, 'x')),
    }),
  );
  return aPolicy({ instance: `instance-${at}`, key: `default/web-${at}`, generation, grants });
}
