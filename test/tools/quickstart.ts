import { rm } from 'node:fs/promises';
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
  tracesOf,
} from '../support/controller-process.ts';
import type { Place } from '../support/controller-process.ts';
import { DEMO_PORT, makeDemoImage } from '../support/demo-image.ts';
import { fetchText } from '../support/http.ts';

/** The main job from end to end on this machine, as a new user sees it. `--keep` leaves it running. */
const keep = process.argv.includes('--keep');
const BOOT_MS = 180_000;

function say(text: string): void {
  console.log(`\n\x1b[1m==>\x1b[0m ${text}`);
}

function instanceYaml(image: string, greeting: string): string {
  return `apiVersion: hypeman.dev/v1alpha1
kind: Instance
metadata:
  name: hello
spec:
  image: ${image}
  vcpus: 1
  size: 256MB
  overlaySize: 1GB
  updatePolicy: Restart   # an edit restarts the guest; the default waits for the next restart
  env:
    GREETING: ${greeting}
`;
}

async function main(): Promise<void> {
  const place = await makePlace('10.100.0.0/16');
  const image = await makeDemoImage(`${place.stateDir.replace(/\/state$/, '')}/demo-image`);
  say('Unpacking a Debian cloud kernel (not installed on this host) and building init');
  await setUp(place);
  say(`Starting the controller: hypeman-controller run --watch ${place.watchDir}`);
  const controller = await startController(place);
  try {
    await showLife(place, image);
    if (keep) {
      sayHowToTalk(place, controller.child.pid ?? 0);
      controller.child.unref();
      process.exit(0);
    }
    await showEnd(place);
  } catch (error) {
    await explain(place, controller.logPath);
    throw error;
  } finally {
    await rm(`${place.watchDir}/hello.yaml`, { force: true });
    await eventually(
      'removal',
      () => getInstance(place, 'hello'),
      (seen) => seen === undefined,
    ).catch(() => undefined);
    const code = await controller.stop();
    console.log(`controller stopped (exit code ${code})`);
  }
  const left = await tracesOf(place);
  if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
  console.log('no process, tap, rule, mount or file is left');
  await removePlace(place);
  say('Done. Next: README.md, "A first Instance".');
}

async function setUp(place: Place): Promise<void> {
  const { exitCode, stdout, stderr } = await cli(place, 'setup', '--cache-dir', CACHE);
  console.log([stdout, stderr].join('\n').trim());
  if (exitCode !== 0) throw new Error('setup failed');
}

async function showLife(place: Place, image: string): Promise<void> {
  const written = Date.now();
  await declare(place, 'hello.yaml', instanceYaml(image, 'Hello'));
  say(`Declared ${place.watchDir}/hello.yaml`);
  await untilReady(place, 1);
  console.log(`Ready ${((Date.now() - written) / 1000).toFixed(1)} s after the file was written`);
  await showTable(place);
  say("The guest's own words (hypeman-controller logs hello)");
  console.log((await cli(place, 'logs', 'hello', '--tail', '5')).stdout);
  await showAnswer(place);
  say('Editing the file: GREETING becomes Bonjour');
  await declare(place, 'hello.yaml', instanceYaml(image, 'Bonjour'));
  await untilReady(place, 2);
  await showAnswer(place);
}

async function showEnd(place: Place): Promise<void> {
  say('Removing the file');
  await rm(`${place.watchDir}/hello.yaml`);
  await eventually(
    'removal',
    () => getInstance(place, 'hello'),
    (seen) => seen === undefined,
  );
  await showTable(place);
}

async function untilReady(place: Place, generation: number): Promise<void> {
  let last = '';
  await eventually(
    'Ready',
    async () => {
      const seen = await getInstance(place, 'hello');
      const ready = seen?.status.conditions.find(({ type }) => type === 'Ready');
      const line = `    ${ready?.reason ?? 'Declared'}: ${ready?.message ?? ''}`;
      if (line !== last) console.log(line);
      last = line;
      return seen;
    },
    (seen) => seen?.status.appliedGeneration === generation && conditionOf(seen, 'Ready') === 'True',
    BOOT_MS,
  );
}

async function showTable(place: Place): Promise<void> {
  const { stdout, stderr } = await cli(place, 'get');
  console.log([stdout, stderr].filter((text) => text !== '').join('\n'));
}

async function showAnswer(place: Place): Promise<void> {
  const ip = (await getInstance(place, 'hello'))?.status.network?.ip ?? '';
  say(`GET http://${ip}:${DEMO_PORT}/`);
  console.log(await fetchText(`http://${ip}:${DEMO_PORT}/`));
}

async function explain(place: Place, logPath: string): Promise<void> {
  console.error((await cli(place, 'describe', 'hello')).stdout);
  console.error((await cli(place, 'logs', 'hello', '--tail', '40')).stdout);
  console.error((await cli(place, 'logs', 'hello', '--source', 'vmm')).stdout);
  console.error(`the controller's log: ${logPath}`);
}

function sayHowToTalk(place: Place, pid: number): void {
  const flags = `--state-dir ${place.stateDir} --run-dir ${place.runDir}`;
  const bin = `npx node src/main.ts ${flags}`;
  say(`Left running (controller pid ${pid}). Talk to it:`);
  console.log(`    ${bin} get
    ${bin} logs -f hello
    ${bin} exec -it hello -- sh
    edit ${place.watchDir}/hello.yaml, or remove it to end the machine; then: kill ${pid}`);
}

await main();
