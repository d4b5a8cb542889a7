import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import type { ReportedInstance } from '../../src/api/reported.ts';
import {
  CACHE,
  cli,
  conditionOf,
  declare,
  eventually,
  getInstance,
  makePlace,
  removePlace,
  startController,
} from './controller-process.ts';
import type { ControllerProcess, Place } from './controller-process.ts';
import { makeDemoImage } from './demo-image.ts';

/** What a test varies of the demo instance; everything else is small and quick to boot. */
export type DemoSpec = {
  readonly env?: Readonly<Record<string, string>>;
  readonly restartedAt?: string;
  readonly [field: string]: unknown;
};

/** A controller on a place of its own, with the demo image and a kernel: what every VM test starts from. */
export type TestHouse = {
  readonly place: Place;
  readonly image: string;
  controller(): ControllerProcess;
  restartController(signal?: NodeJS.Signals): Promise<void>;
  declareDemo(name: string, spec: DemoSpec): Promise<void>;
  untilReady(name: string): Promise<ReportedInstance>;
  remove(name: string): Promise<void>;
  keepEvidence(test: string): Promise<void>;
  close(): Promise<void>;
};

const BOOT_MS = 150_000;

export async function openTestHouse(subnet: string, flags: readonly string[] = []): Promise<TestHouse> {
  const place = await makePlace(subnet);
  const setup = await cli(place, 'setup', '--cache-dir', CACHE);
  if (setup.exitCode !== 0) throw new Error(`setup failed: ${setup.stderr}`);
  const image = await makeDemoImage(`${place.stateDir.replace(/\/state$/, '')}/demo-image`);
  let controller = await startController(place, flags);
  const remove = async (name: string): Promise<void> => {
    await rm(`${place.watchDir}/${name}.yaml`, { force: true });
    await eventually(
      `removal of ${name}`,
      () => getInstance(place, name),
      (seen) => seen === undefined,
    );
  };
  return {
    place,
    image,
    controller: () => controller,
    restartController: async (signal = 'SIGKILL') => {
      await controller.stop(signal);
      controller = await startController(place, flags);
    },
    declareDemo: (name, spec) => declare(place, `${name}.yaml`, demoYaml(name, image, spec)),
    untilReady: (name) => untilReady(place, name),
    remove,
    keepEvidence: (test) => keepEvidence(place, controller, test),
    close: async () => {
      const { stdout } = await cli(place, 'get', '-o', 'name');
      for (const line of stdout.split('\n').filter((text) => text !== ''))
        await remove(line.slice(line.indexOf('/') + 1)).catch(() => undefined);
      await controller.stop();
      await removePlace(place);
    },
  };
}

function demoYaml(name: string, image: string, { restartedAt, ...spec }: DemoSpec): string {
  return JSON.stringify({
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: {
      name,
      ...(restartedAt === undefined ? {} : { annotations: { 'hypeman.dev/restartedAt': restartedAt } }),
    },
    spec: { image, vcpus: 1, size: '192MB', overlaySize: '256MB', ...spec },
  });
}

async function untilReady(place: Place, name: string): Promise<ReportedInstance> {
  const ready = await eventually(
    `${name} ready`,
    () => getInstance(place, name),
    (seen) => conditionOf(seen, 'Ready') === 'True' && conditionOf(seen, 'Running') === 'True',
    BOOT_MS,
  );
  if (ready === undefined) throw new Error(`${name} is not there`);
  return ready;
}

/** Console, VMM log, controller log and ruleset of a failed test, under `.cache/evidence/`. */
async function keepEvidence(place: Place, controller: ControllerProcess, test: string): Promise<void> {
  const directory = `${CACHE}/evidence/${test.replaceAll(/[^a-z0-9]+/gi, '-')}`;
  await mkdir(directory, { recursive: true });
  await copyFile(controller.logPath, `${directory}/controller.log`);
  const { stdout } = await cli(place, 'get', '-o', 'json');
  await writeFile(`${directory}/get.json`, stdout);
  for (const id of (await cli(place, 'get', '-o', 'json')).stdout.matchAll(/"id": "([a-z0-9]{24})"/g)) {
    const from = `${place.stateDir}/instances/${id[1] ?? ''}`;
    for (const log of ['console.log', 'vmm.log', 'record.json'])
      await copyFile(`${from}/${log}`, `${directory}/${id[1] ?? ''}-${log}`).catch(() => undefined);
  }
}
