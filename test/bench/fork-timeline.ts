import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openForkHouse } from '../support/fork-house.ts';
import type { ForkHouse } from '../support/fork-house.ts';
import { machinesOf } from '../support/machines.ts';
import { answering, forked } from './answering.ts';
import type { BenchResult } from './figures.ts';
import { figureOf, quantileOf, spreadOf } from './figures.ts';

const FAN_OUT = 25;
const MEMORY_MIB = 512;
/** USER_HZ, in which proc(5) counts CPU time. */
const TICKS_PER_SECOND = 100;

/**
 * Where the time of 25 forks at once goes: when the first, the median and the last of them had each action
 * done, and what it cost in CPU time and child processes. The plain figure is `fork`'s.
 */
export async function benchForkTimeline(say: (text: string) => void): Promise<BenchResult> {
  const house = await openForkHouse('10.154.0.0/24');
  try {
    await house.declareDemo('base', { size: `${MEMORY_MIB}MB` });
    const { id, network } = (await house.untilReady('base')).status;
    await answering(() => Promise.resolve(network?.ip));
    await sleep(2_000);
    const names = Array.from({ length: FAN_OUT }, (_, at) => `fan-${at}`);
    const before = await spentBy(house, id);
    const beganAt = Date.now();
    const began = performance.now();
    const times = await forked(house, names);
    const seconds = (performance.now() - began) / 1000;
    const after = await spentBy(house, id);
    for (const line of await timelineOf(house, beganAt)) say(line);
    const spent = (of: keyof Spent): number => after[of] - before[of];
    say(`answers ${spreadOf(times, 'ms')}, p95 ${quantileOf(times, 0.95).toFixed(0)} ms`);
    return {
      name: 'fork-timeline',
      aims: [
        figureOf(`${FAN_OUT} forks at once, p95`, quantileOf(times, 0.95), 'ms'),
        figureOf('all CPUs, busy', spent('busy') / seconds, 'cores'),
        figureOf('controller', spent('own'), 'CPU s'),
        // The source makes room for a VMM that does not write to what is frozen, and is one of them.
        figureOf('its programs that ended', spent('children') - before.source, 'CPU s'),
        figureOf('VMMs of the forks', spent('vmms'), 'CPU s'),
        figureOf('this bench', spent('bench'), 'CPU s'),
        figureOf('processes and threads begun', spent('begun'), ''),
      ],
    };
  } finally {
    await house.close();
  }
}

/** Milliseconds after `from` at which each kind of action was done: first, median, last, how many. */
async function timelineOf(house: ForkHouse, from: number): Promise<readonly string[]> {
  const done = new Map<string, number[]>();
  for (const line of (await readFile(house.controller().logPath, 'utf8')).trim().split('\n')) {
    const { time, action, reason, msg } = JSON.parse(line) as Readonly<Record<string, string>>;
    const at = Date.parse(time ?? '') - from;
    if (at < 0) continue;
    const what = `${action ?? msg ?? ''} (${reason ?? ''})`;
    done.set(what, [...(done.get(what) ?? []), at]);
  }
  return [...done].map(([what, at]) => {
    const [first = 0, median = 0, last = 0] = [0, 0.5, 1].map((q) => quantileOf(at, q));
    return `${what.padEnd(34)} ${[first, median, last].map((ms) => String(ms).padStart(6)).join('')}  x${at.length}`;
  });
}

type Spent = Record<'busy' | 'own' | 'children' | 'source' | 'vmms' | 'bench' | 'begun', number>;

async function spentBy(house: ForkHouse, source: string | undefined): Promise<Spent> {
  const stat = await readFile('/proc/stat', 'utf8');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = numbersIn(/^cpu (.*)$/m.exec(stat)?.[1]);
  const controller = await ticksOf(house.controller().child.pid ?? 0);
  const machines = await machinesOf(house.place);
  const sourceVmm = machines.find(({ id }) => id === source);
  const vmms = await Promise.all(machines.filter((one) => one !== sourceVmm).map(({ pid }) => ticksOf(pid)));
  const bench = process.cpuUsage();
  return {
    busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    own: controller.own,
    children: controller.children,
    source: sourceVmm === undefined ? 0 : (await ticksOf(sourceVmm.pid)).own,
    vmms: vmms.reduce((sum, { own }) => sum + own, 0),
    bench: (bench.user + bench.system) / 1e6,
    begun: Number(/^processes (\d+)$/m.exec(stat)?.[1]),
  };
}

/** CPU seconds of a process, and of those children of it that it has buried. */
async function ticksOf(pid: number): Promise<{ readonly own: number; readonly children: number }> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = numbersIn(text.slice(text.lastIndexOf(')') + 4));
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(10, 14);
  return {
    own: (user + system) / TICKS_PER_SECOND,
    children: (childUser + childSystem) / TICKS_PER_SECOND,
  };
}

function numbersIn(text = ''): readonly number[] {
  return text.trim().split(/\s+/).map(Number);
}
