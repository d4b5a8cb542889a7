import { loadavg } from 'node:os';
import { writeFileSync } from 'node:fs';
import type { Job } from './egress/load.ts';
import { cpuMicrosOf, runClient } from './egress/processes.ts';
import { openRivals } from './egress/rivals.ts';
import type { Rival } from './egress/rivals.ts';
import { GRANTED, SPLICED, UPSTREAM, VALUE, benchPolicy, openBenchStage } from './egress/stage.ts';
import type { BenchStage } from './egress/stage.ts';
import { figureOf } from './figures.ts';
import type { BenchResult, Figure } from './figures.ts';

/** Others use the machine: of each figure the best of so many rounds counts. */
const ROUNDS = 3;
const SECONDS = 3;

type Way = Pick<Job, 'way' | 'address' | 'port' | 'host' | 'ca' | 'expected'>;
type Subject = { readonly name: string; readonly to: Way; readonly pid?: number };
type Measured = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
  readonly requestMicros: number;
  readonly connectionMicros: number;
};

/** What mediation costs: our proxy by each way, against none at all and against two that can do the same. */
export async function benchEgressProxy(say: (text: string) => void): Promise<BenchResult> {
  const stage = await openBenchStage();
  const rivals: Rival[] = [];
  try {
    await openRivals(stage, { say, onOpen: (rival) => rivals.push(rival) });
    const subjects = [
      ...(await ourSubjects(stage)),
      ...rivals.map((rival) => ({
        name: rival.name,
        pid: rival.pid,
        to: { ...proxied('connect', rival.port), ca: rival.ca },
      })),
    ];
    const best = new Map<string, Measured>();
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const subject of subjects) {
        const measured = await measure(subject);
        best.set(subject.name, bestOf(best.get(subject.name), measured));
      }
      say(`round ${round} of ${ROUNDS}, load ${(loadavg()[0] ?? 0).toFixed(1)}`);
    }
    for (const [name, measured] of best) say(lineOf(name, measured));
    return { name: 'egress', aims: aimsOf(best) };
  } finally {
    for (const rival of rivals) await rival.close();
    await stage.close();
  }
}

async function ourSubjects(stage: BenchStage): Promise<readonly Subject[]> {
  const { ports, certificate } = await stage.egress.put(benchPolicy(), 'r1');
  const pid = await stage.pinned();
  const ca = `${stage.root}/guest-ca.pem`;
  writeFileSync(ca, certificate);
  const straight = {
    way: 'straight',
    address: UPSTREAM,
    port: 443,
    host: GRANTED,
    ca: stage.upstreamCa,
  } as const;
  const spliced = {
    ...proxied('connect', ports.explicit),
    host: SPLICED,
    expected: 'Bearer mock-KEY',
    ca: stage.upstreamCa,
  };
  return [
    { name: 'direct', to: { ...straight, expected: 'Bearer mock-KEY' } },
    { name: 'explicit', pid, to: { ...proxied('connect', ports.explicit), ca } },
    { name: 'transparent', pid, to: { ...proxied('redirected', ports.tls), ca } },
    { name: 'spliced', pid, to: spliced },
  ];
}

function proxied(way: 'connect' | 'redirected', port: number): Omit<Way, 'ca'> {
  return { way, address: '127.0.0.1', port, host: GRANTED, expected: `Bearer ${VALUE}` };
}

async function measure({ to, pid, name }: Subject): Promise<Measured> {
  const cpu = (): number => (pid === undefined ? 0 : cpuMicrosOf(pid));
  const during = async (over: Partial<Job>) => {
    const before = cpu();
    const done = await runClient({ ...to, seconds: SECONDS, concurrency: 32, isFresh: false, ...over });
    if (done.wrong > 0 || done.failed > 0 || done.requests === 0)
      throw new Error(`${name}: ${done.wrong} wrong and ${done.failed} failed of ${done.requests}`);
    return { ...done, micros: (cpu() - before) / done.requests };
  };
  await during({ seconds: 1 });
  const one = await during({ concurrency: 1 });
  const many = await during({});
  const fresh = await during({ concurrency: 4, isFresh: true });
  return {
    ...{ p50Ms: one.p50Ms, p99Ms: one.p99Ms, perSecond: many.perSecond },
    ...{ requestMicros: many.micros, connectionMicros: fresh.micros },
  };
}

function bestOf(before: Measured | undefined, now: Measured): Measured {
  if (before === undefined) return now;
  return {
    p50Ms: Math.min(before.p50Ms, now.p50Ms),
    p99Ms: Math.min(before.p99Ms, now.p99Ms),
    perSecond: Math.max(before.perSecond, now.perSecond),
    requestMicros: Math.min(before.requestMicros, now.requestMicros),
    connectionMicros: Math.min(before.connectionMicros, now.connectionMicros),
  };
}

function lineOf(
  name: string,
  { p50Ms, p99Ms, perSecond, requestMicros, connectionMicros }: Measured,
): string {
  const latency = `c=1 p50 ${p50Ms.toFixed(3)} p99 ${p99Ms.toFixed(2)} ms`;
  const cpu = `${requestMicros.toFixed(0)} us a request, ${connectionMicros.toFixed(0)} us a new connection and request`;
  return `${name.padEnd(16)} ${latency}; c=32 ${perSecond.toFixed(0)} requests/s; CPU ${cpu}`;
}

function aimsOf(best: ReadonlyMap<string, Measured>): readonly Figure[] {
  const [direct, ours, mitmproxy, squid] = ['direct', 'explicit', 'mitmproxy', 'Squid ssl-bump'].map((name) =>
    best.get(name),
  );
  if (direct === undefined || ours === undefined) return [];
  const rival = (name: string, other: Measured | undefined, times: number): readonly Figure[] => {
    if (other === undefined) return [];
    const ratio = ours.perSecond / other.perSecond;
    return [
      figureOf(`throughput against ${name}`, ratio, 'times', {
        aim: `at least ${times}`,
        met: ratio >= times,
      }),
    ];
  };
  const added = ours.p50Ms - direct.p50Ms;
  return [
    figureOf('added at p50, c=1', added, 'ms', { aim: 'at most 0.35', met: added <= 0.35 }),
    figureOf('requests/s on a core, c=32', ours.perSecond, '1/s', {
      aim: 'at least 8000',
      met: ours.perSecond >= 8000,
    }),
    figureOf('CPU a request', ours.requestMicros, 'us', {
      aim: 'at most 130',
      met: ours.requestMicros <= 130,
    }),
    figureOf('CPU a new connection', ours.connectionMicros, 'us', {
      aim: 'at most 1500',
      met: ours.connectionMicros <= 1500,
    }),
    ...rival('mitmproxy', mitmproxy, 10),
    ...rival('Squid', squid, 1),
  ];
}
