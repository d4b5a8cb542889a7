import { mkdir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { findQemu } from '../../src/drivers/qemu/program.ts';
import type { QemuFacts } from '../../src/drivers/qemu/translate.ts';
import { openForkHouse } from '../support/fork-house.ts';
import type { ForkHouse } from '../support/fork-house.ts';
import { machinesOf } from '../support/machines.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { DemoSpec } from '../support/test-house.ts';
import { readStatusFile } from '../support/status-file.ts';
import { answering, answers, forked } from './answering.ts';
import { bootBare, killBare, restoreBare, suspendBare } from './bare-qemu.ts';
import type { BenchResult, Figure } from './figures.ts';
import { figureOf, medianOf, quantileOf, spreadOf } from './figures.ts';
import { privateMibOf } from './private-memory.ts';

const SIZES = [512, 2048] as const;
const ROUNDS = 5;
const FAN_OUT = 25;
const MIB = 1024 ** 2;

type Times = Record<
  'standby' | 'restore' | 'fork' | 'gap' | 'pause' | 'fan' | 'bareFan' | 'privateMib',
  number[]
>;

/**
 * From a file written to a guest that answers over its network, through the whole controller: standby,
 * restore, a fork, and 25 forks in one file. Beside it, in the same run, 25 forks by bare QMP, until each
 * guest has counted on: no taps, disks of their own, identities or records, so a floor and no rival.
 */
export async function benchFork(say: (text: string) => void): Promise<BenchResult> {
  const times = new Map<number, Times>();
  for (const size of SIZES) {
    const bareFan = await bareFanOut(size * MIB);
    times.set(size, { ...(await timesOf(size, say)), bareFan });
    for (const [name, values] of Object.entries(times.get(size) ?? {}))
      say(`${size} MiB: ${name} ${spreadOf(values, name === 'privateMib' ? 'MiB' : 'ms')}`);
  }
  return { name: 'fork', aims: aimsOf(times) };
}

async function timesOf(size: number, say: (text: string) => void): Promise<Omit<Times, 'bareFan'>> {
  const house = await openForkHouse('10.149.0.0/24');
  const times = { standby: [], restore: [], fork: [], gap: [], pause: [], fan: [], privateMib: [] } as Omit<
    Times,
    'bareFan'
  >;
  try {
    const spec = { size: `${size}MB` };
    await house.declareDemo('base', spec);
    const ip = (await house.untilReady('base')).status.network?.ip ?? '';
    for (let round = 0; round < ROUNDS; round += 1)
      await roundOf(house, times, { spec, ip, name: `one-${round}` });
    say(`${size} MiB: one by one done, ${FAN_OUT} at once`);
    times.fan.push(
      ...(await forked(
        house,
        Array.from({ length: FAN_OUT }, (_, at) => `fan-${at}`),
      )),
    );
    await sleep(3_000);
    const { id } = (await readStatusFile(house.place, 'base'))?.status ?? {};
    for (const machine of await machinesOf(house.place))
      if (machine.id !== id) times.privateMib.push(await privateMibOf(machine.pid));
    return times;
  } finally {
    await house.close();
  }
}

type Round = { readonly spec: DemoSpec; readonly ip: string; readonly name: string };

async function roundOf(
  house: ForkHouse,
  times: Omit<Times, 'bareFan'>,
  { spec, ip, name }: Round,
): Promise<void> {
  times.standby.push(
    await timed(async () => {
      await house.declareDemo('base', { ...spec, state: 'Standby' });
      await seen(house, 'base', (status) => status.state === 'Standby');
    }),
  );
  times.restore.push(
    await timed(async () => {
      await house.declareDemo('base', spec);
      await answering(() => Promise.resolve(ip));
    }),
  );
  await house.until('base', 'ready', ({ status }) => status.state === 'Running');
  const gap = watchGap(ip);
  times.fork.push(await forked(house, [name]).then(([first = 0]) => first));
  times.gap.push(await gap.end());
  times.pause.push((await readStatusFile(house.place, name))?.status.fork?.sourcePauseMs ?? 0);
  await house.remove(name);
}

/** The longest time between two answers of the source: what its own clients see of a fork. */
function watchGap(ip: string): { end(): Promise<number> } {
  let longest = 0;
  const over = new AbortController();
  const watching = (async (): Promise<void> => {
    let last = performance.now();
    while (!over.signal.aborted) {
      if (await answers(ip)) {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }
      await sleep(5);
    }
  })();
  return {
    end: async () => {
      over.abort();
      await watching;
      return longest;
    },
  };
}

async function seen(
  house: ForkHouse,
  name: string,
  satisfies: (status: NonNullable<Awaited<ReturnType<typeof readStatusFile>>>['status']) => boolean,
): Promise<void> {
  for (;;) {
    const found = await readStatusFile(house.place, name);
    if (found !== undefined && satisfies(found.status)) return;
    await sleep(5);
  }
}

/** All at once from one frozen memory, each until its guest has counted on. */
async function bareFanOut(memoryBytes: number): Promise<number[]> {
  const stage = await openQemuStage();
  const signal = AbortSignal.timeout(600_000);
  const facts: QemuFacts = { ...(await findQemu('qemu-system-x86_64', signal)), accelerator: 'tcg' };
  const parts = { memory: 'file', memoryBytes, cmdline: 'console=ttyS0 panic=1 quiet guest=counts' } as const;
  try {
    const machine = await stage.machineWith(parts);
    const state = `${machine.paths.directory}/bare.state`;
    const running = await bootBare(machine, facts);
    while ((await stage.countOf(machine)) < 5) await sleep(20);
    await suspendBare(running, state);
    const began = performance.now();
    const forks = await Promise.all(
      Array.from({ length: FAN_OUT }, async () => {
        const fork = await stage.machineWith(parts);
        await mkdir(fork.paths.directory, { recursive: true });
        const shared = { ...fork, paths: { ...fork.paths, memory: machine.paths.memory } };
        const { bare } = await restoreBare(shared, facts, { state, origin: 'frozen' });
        const from = await stage.countOf(fork);
        while ((await stage.countOf(fork)) <= from) await sleep(10);
        return { bare, elapsed: performance.now() - began };
      }),
    );
    for (const { bare } of forks) await killBare(bare);
    return forks.map(({ elapsed }) => elapsed);
  } finally {
    await stage.close();
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function aimsOf(times: ReadonlyMap<number, Times>): readonly Figure[] {
  const of = (size: number, name: keyof Times, q = 0.5): number =>
    quantileOf(times.get(size)?.[name] ?? [], q);
  const within = (figure: string, value: number, unit: string, limit: number): Figure =>
    figureOf(figure, value, unit, { aim: `<= ${limit} ${unit}`, met: value <= limit });
  return [
    ...SIZES.flatMap((size) => [
      figureOf(`file to Standby, ${size} MiB`, of(size, 'standby'), 'ms'),
      figureOf(`file to answering after standby, ${size} MiB`, of(size, 'restore'), 'ms'),
      figureOf(`file to a fork that answers, ${size} MiB`, of(size, 'fork'), 'ms'),
      within(`vCPUs of the source stand still, ${size} MiB`, of(size, 'pause'), 'ms', 250),
      figureOf(`longest silence of the source, ${size} MiB`, of(size, 'gap'), 'ms'),
      within(`${FAN_OUT} forks at once, p95, ${size} MiB`, of(size, 'fan', 0.95), 'ms', 4_000),
      figureOf(
        `${FAN_OUT} forks : bare, p95, ${size} MiB`,
        of(size, 'fan', 0.95) / of(size, 'bareFan', 0.95),
        'x',
      ),
    ]),
    within('file to a fork that answers, 2 GiB : 512 MiB', of(2048, 'fork') / of(512, 'fork'), 'x', 1.2),
    within('file to Standby, 2 GiB : 512 MiB', of(2048, 'standby') / of(512, 'standby'), 'x', 1.2),
    within('private memory of an idle fork, 512 MiB', medianOf(times.get(512)?.privateMib ?? []), 'MiB', 60),
  ];
}
