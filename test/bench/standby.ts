import { mkdir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { findQemu } from '../../src/drivers/qemu/program.ts';
import type { QemuFacts } from '../../src/drivers/qemu/translate.ts';
import { settleSnapshot } from '../../src/host/snapshot-files.ts';
import type { MemoryKeeper } from '../../src/machine/driver.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { QemuStage } from '../support/qemu-stage.ts';
import { bootBare, killBare, restoreBare, suspendBare } from './bare-qemu.ts';
import type { BenchResult, Figure } from './figures.ts';
import { figureOf, medianOf, spreadOf } from './figures.ts';
import { privateMibOf } from './private-memory.ts';

const ROUNDS = 7;
const MIB = 1024 ** 2;
const SIZES = [512, 2048] as const;
const signal = new AbortController().signal;

type Times = Record<'suspend' | 'restore' | 'pause' | 'fork' | 'again' | 'settle' | 'privateMib', number[]> &
  Record<'bareSuspend' | 'bareRestore' | 'bareFork', number[]>;

/**
 * What the driver needs for standby, restore and fork, against the bare words of QMP that do the same in
 * the same run. Sizes and rounds alternate, so that all share the noise.
 */
export async function benchStandby(say: (text: string) => void): Promise<BenchResult> {
  const stage = await openQemuStage();
  const facts: QemuFacts = { ...(await findQemu('qemu-system-x86_64', signal)), accelerator: 'tcg' };
  const times = new Map<number, Times>();
  try {
    for (const size of SIZES) {
      times.set(size, await timesFor(stage, facts, size * MIB));
      for (const [name, values] of Object.entries(times.get(size) ?? {}))
        say(`${size} MiB: ${name} ${spreadOf(values, name === 'privateMib' ? 'MiB' : 'ms')}`);
    }
  } finally {
    await stage.close();
  }
  return { name: 'standby', aims: aimsOf(times) };
}

async function timesFor(stage: QemuStage, facts: QemuFacts, memoryBytes: number): Promise<Times> {
  const keeper = stage.driver().memory;
  if (keeper === undefined) throw new Error('this driver keeps no memory');
  const times: Times = {
    ...{ suspend: [], bareSuspend: [], restore: [], bareRestore: [], pause: [], fork: [], bareFork: [] },
    ...{ again: [], settle: [], privateMib: [] },
  };
  const parts = { memory: 'file', memoryBytes, cmdline: 'console=ttyS0 panic=1 quiet guest=counts' } as const;
  const ours = await stage.machineWith(parts);
  await stage.driver().start(ours, signal);
  await counting(stage, ours);
  const bare = await bareTimes(stage, facts, { parts, times });
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await bare.round();
      times.suspend.push(await timed(() => keeper.suspend(ours, signal)));
      times.settle.push(await timed(() => settleSnapshot(ours.paths.standby, stage.bootId)));
      times.restore.push(await timed(() => keeper.restore(ours, { kind: 'standby' }, signal)));
      await counting(stage, ours);
      await forkTimes(stage, { keeper, parts, times });
    }
  } finally {
    await bare.end();
    await stage.driver().kill(ours, signal);
  }
  return times;
}

type Parts = Partial<Machine>;

/** A source that never was frozen before, a fork of it, and the fork's own standby. */
async function forkTimes(
  stage: QemuStage,
  { keeper, parts, times }: { readonly keeper: MemoryKeeper; readonly parts: Parts; readonly times: Times },
): Promise<void> {
  const source = await stage.machineWith(parts);
  const fork = await stage.machineWith(parts);
  const base = stage.newBase();
  await stage.driver().start(source, signal);
  await counting(stage, source);
  const { pausedMs } = await keeper.freeze(source, base, { copyDisks: () => Promise.resolve() }, signal);
  times.pause.push(pausedMs);
  times.fork.push(await timed(() => keeper.restore(fork, { kind: 'base', base }, signal)));
  await counting(stage, fork);
  await sleep(500);
  times.privateMib.push(await privateMibOf((await stage.pidsOf(fork))[0] ?? 0));
  times.again.push(await timed(() => keeper.suspend(fork, signal)));
  await stage.driver().kill(source, signal);
  await stage.discard(base);
  await stage.discard(fork.paths.standby);
}

/** One machine by hand: each round a standby, a fork that is ended at once, and a restore in place. */
async function bareTimes(
  stage: QemuStage,
  facts: QemuFacts,
  { parts, times }: { readonly parts: Parts; readonly times: Times },
): Promise<{ round: () => Promise<void>; end: () => Promise<void> }> {
  const machine = await stage.machineWith(parts);
  const fork = await stage.machineWith(parts);
  const state = `${machine.paths.directory}/bare.state`;
  let running = await bootBare(machine, facts);
  await counting(stage, machine);
  return {
    round: async () => {
      times.bareSuspend.push(await suspendBare(running, state));
      await mkdir(fork.paths.directory, { recursive: true });
      const shared = { ...fork, paths: { ...fork.paths, memory: machine.paths.memory } };
      const forked = await restoreBare(shared, facts, { state, origin: 'frozen' });
      times.bareFork.push(forked.elapsed);
      await killBare(forked.bare);
      const { bare, elapsed } = await restoreBare(machine, facts, { state, origin: 'own' });
      times.bareRestore.push(elapsed);
      running = bare;
      await counting(stage, machine);
    },
    end: () => killBare(running),
  };
}

function aimsOf(times: ReadonlyMap<number, Times>): readonly Figure[] {
  const of = (size: number, name: keyof Times): number => medianOf(times.get(size)?.[name] ?? []);
  const ratio = (name: keyof Times, bare: keyof Times, size: number): Figure =>
    within(`${name} : bare, ${size} MiB`, of(size, name) / of(size, bare), 'x', 1.5);
  return [
    ...SIZES.flatMap((size) => [
      ratio('suspend', 'bareSuspend', size),
      ratio('restore', 'bareRestore', size),
      ratio('fork', 'bareFork', size),
      within(`source pause of a running fork, ${size} MiB`, of(size, 'pause'), 'ms', 250),
      figureOf(`standby of a fork, ${size} MiB`, of(size, 'again'), 'ms'),
      figureOf(`settling a standby, ${size} MiB`, of(size, 'settle'), 'ms'),
    ]),
    ...(['suspend', 'restore', 'fork'] as const).map((name) =>
      within(`${name}, 2 GiB : 512 MiB`, of(2048, name) / of(512, name), 'x', 1.2),
    ),
    within('private memory of an idle fork, 512 MiB', of(512, 'privateMib'), 'MiB', 60),
  ];
}

function within(figure: string, value: number, unit: string, limit: number): Figure {
  return figureOf(figure, value, unit, { aim: `<= ${limit} ${unit}`, met: value <= limit });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Returns when the guest has counted a little more. */
async function counting(stage: QemuStage, machine: Machine): Promise<void> {
  const from = await stage.countOf(machine);
  for (let tries = 0; tries < 3000; tries += 1) {
    if ((await stage.countOf(machine)) > from + 5) return;
    await sleep(20);
  }
  throw new Error(`${machine.id} does not count`);
}
