import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { Line, backwards, openTo } from './load.ts';
import { monotonicMs, printAndEnd, untilStopped } from './processes.ts';

export type SteadyJob = {
  /** Of the explicit proxy. */
  readonly port: number;
  readonly host: string;
  /** A PEM file of what the server's certificate has to be from. */
  readonly ca: string;
  /** Connections, and the requests a second on all of them. */
  readonly lines: number;
  readonly perSecond: number;
};

/** By `monotonicMs`. `value` is undefined for anything but one whole value. */
export type Seen = { readonly sentAt: number; readonly heardAt: number; readonly value?: number };
export type SteadyDone = { readonly seen: readonly Seen[]; readonly failed: number };

/** `steady-load.ts JOB`: asks until its input ends, and prints what upstream saw of each request. */
const job = JSON.parse(process.argv[2] ?? '') as SteadyJob;
const stopped = untilStopped();
const seen: Seen[] = [];
let failed = 0;
const context = createSecureContext({ ca: readFileSync(job.ca, 'utf8') });
await Promise.all(Array.from({ length: job.lines }, ask));
printAndEnd({ seen, failed } satisfies SteadyDone);

async function ask(): Promise<void> {
  const to = { way: 'connect', address: '127.0.0.1', port: job.port, host: job.host } as const;
  const line = new Line(await openTo(to, context), job.host);
  let next = monotonicMs();
  while (!stopped.aborted) {
    const sentAt = monotonicMs();
    try {
      const value = valueIn(await line.get());
      seen.push({ sentAt, heardAt: monotonicMs(), ...(value === undefined ? {} : { value }) });
    } catch {
      failed += 1;
      return;
    }
    // Behind its time it asks again at once, so that the rate is kept.
    next += (job.lines * 1000) / job.perSecond;
    if (next > monotonicMs()) await sleep(next - monotonicMs());
  }
  line.end();
}

function valueIn(body: string): number | undefined {
  const saw = backwards(/"saw":"([^"]*)"/.exec(body)?.[1] ?? '');
  const value = /^Bearer value-(\d+)-of-many$/.exec(saw)?.[1];
  return value === undefined ? undefined : Number(value);
}
