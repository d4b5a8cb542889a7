import { createId } from '@paralleldrive/cuid2';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openParser } from '../../src/api/parser.ts';
import { lateBells, openController } from '../../src/controller.ts';
import { inheritedDeclarations } from '../../src/inherited-declarations.ts';
import { openLog } from '../../src/log.ts';
import { instanceId } from '../../src/machine/ids.ts';
import { openDirectorySource } from '../../src/sources/directory/open-directory-source.ts';
import { readCrd } from '../../src/sources/crd.ts';
import { openFakeWorkshops } from '../support/fake-workshops.ts';
import type { BenchResult, Figure } from './figures.ts';
import { figureOf, quantileOf } from './figures.ts';

const SIZES = [1_000, 10_000];
const EDITS = 200;
const REST_SECONDS = 20;

/**
 * Many Instances in one watched directory: real files, source, planner, queue, records and status; a fake
 * hypervisor, image store and network, so that what is measured is ours.
 */
export async function benchReconcile(say: (text: string) => void): Promise<BenchResult> {
  const aims: Figure[] = [];
  for (const size of SIZES) aims.push(...(await measure(size, say)));
  return { name: 'reconcile', aims };
}

async function measure(size: number, say: (text: string) => void): Promise<readonly Figure[]> {
  const house = await openBenchHouse(size);
  try {
    const startedAt = performance.now();
    await house.controller.start();
    await house.controller.settled();
    const toRest = (performance.now() - startedAt) / 1000;
    say(`${size}: at rest after ${toRest.toFixed(1)} s`);
    const cpuBefore = process.cpuUsage();
    await sleep(REST_SECONDS * 1000);
    const cpu = process.cpuUsage(cpuBefore);
    const atRest = ((cpu.user + cpu.system) / 1e6 / REST_SECONDS) * 100;
    globalThis.gc?.();
    const rss = process.memoryUsage().rss / 1e6;
    const edits = await house.timeEdits(EDITS);
    return [
      figureOf(`${size}: time to rest`, toRest, 's'),
      figureOf(`${size}: CPU at rest`, atRest, '% of a core', { aim: '< 0.5', met: atRest < 0.5 }),
      figureOf(`${size}: RSS`, rss, 'MB', { aim: '< 250 at 10,000', met: rss < 250 }),
      figureOf(`${size}: edit to first action, p50`, quantileOf(edits, 0.5), 'ms'),
      figureOf(`${size}: edit to first action, p99`, quantileOf(edits, 0.99), 'ms', {
        aim: '< 20',
        met: quantileOf(edits, 0.99) < 20,
      }),
    ];
  } finally {
    await house.close();
  }
}

type BenchHouse = {
  readonly controller: ReturnType<typeof openController>;
  /** Milliseconds from a file's close to the first action on its instance. */
  timeEdits(count: number): Promise<readonly number[]>;
  close(): Promise<void>;
};

function yamlFor(index: number, greeting: string): string {
  return `apiVersion: hypeman.dev/v1alpha1
kind: Instance
metadata: { name: bench-${index} }
spec:
  image: docker.io/library/bench:1
  size: 256MB
  overlaySize: 1GB
  updatePolicy: Restart
  env: { GREETING: "${greeting}" }
`;
}

async function openBenchHouse(size: number): Promise<BenchHouse> {
  const base = await mkdtemp('/var/tmp/hypeman-bench-');
  const roots = { state: `${base}/state`, run: `${base}/run` };
  const watch = `${base}/instances`;
  await mkdir(watch);
  for (let index = 0; index < size; index += 1)
    await writeFile(`${watch}/${index}.yaml`, yamlFor(index, 'hello'));
  const log = openLog('silent');
  const source = await openDirectorySource({
    directories: [watch],
    roots,
    parser: openParser(await readCrd()),
    log,
    pruneAll: false,
  });
  const ring = lateBells();
  const firstActions = new Map<string, (at: number) => void>();
  const workshops = await openFakeWorkshops({ roots, nodeName: 'bench', onChange: ring.bells.instance });
  const { storage } = workshops;
  const writeRecord: typeof storage.writeRecord = async (record) => {
    firstActions.get(record.key)?.(performance.now());
    firstActions.delete(record.key);
    await storage.writeRecord(record);
  };
  const controller = openController(
    {
      workshops: { ...workshops, storage: { ...storage, writeRecord } },
      ...inheritedDeclarations(source, storage),
      ring,
    },
    { concurrency: 16, newId: () => instanceId(createId()) },
    log,
  );
  return {
    controller,
    timeEdits: async (count) => {
      const times: number[] = [];
      for (let index = 0; index < count; index += 1) {
        const acted = new Promise<number>((resolve) => firstActions.set(`default/bench-${index}`, resolve));
        await writeFile(`${watch}/${index}.yaml`, yamlFor(index, `edit ${index}`));
        const writtenAt = performance.now();
        times.push((await acted) - writtenAt);
        await sleep(100);
      }
      return times;
    },
    close: async () => {
      await controller.close(1_000);
      await workshops.close();
      await source.close();
      await rm(base, { recursive: true, force: true });
    },
  };
}
