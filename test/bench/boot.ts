import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGuestLinks } from '../../src/guest/links.ts';
import { runCommand } from '../../src/host/exec.ts';
import { argumentsOf } from '../../src/host/processes.ts';
import { connectUnix } from '../../src/host/unix-socket.ts';
import { instanceId } from '../../src/machine/ids.ts';
import { conditionOf, eventually, getInstance } from '../support/controller-process.ts';
import { machinesOf } from '../support/machines.ts';
import { readStatusFile } from '../support/status-file.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';
import type { BenchResult } from './figures.ts';
import { figureOf, medianOf, spreadOf } from './figures.ts';

const ROUNDS = 5;
const DEADLINE_MS = 60_000;

/**
 * From file written to program started, against the very command line that the controller used, run
 * by hand with the same kernel, initramfs, disks and tap. Rounds alternate, so both share the noise.
 */
export async function benchBoot(say: (text: string) => void): Promise<BenchResult> {
  const house = await openTestHouse('10.121.0.0/24');
  try {
    const bare = await bareCommandOf(house);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await timeDeclared(house, `bench-${round}`));
      theirs.push(await timeBare(bare));
      say(`round ${round + 1}: declared ${ours.at(-1)?.toFixed(0)} ms, bare ${theirs.at(-1)?.toFixed(0)} ms`);
    }
    say(`declared ${spreadOf(ours, 'ms')}; bare ${spreadOf(theirs, 'ms')}`);
    const ratio = (medianOf(ours) - 150) / medianOf(theirs);
    return {
      name: 'boot',
      aims: [
        figureOf('declared to started, median', medianOf(ours), 'ms', {
          aim: '<= 1.10 x bare + 150 ms',
          met: ratio <= 1.1,
        }),
        figureOf('bare to started, median', medianOf(theirs), 'ms'),
        figureOf('ratio', medianOf(ours) / medianOf(theirs), 'x'),
      ],
    };
  } finally {
    await house.close();
  }
}

async function timeDeclared(house: TestHouse, name: string): Promise<number> {
  const started = performance.now();
  await house.declareDemo(name, {});
  for (;;) {
    const seen = await readStatusFile(house.place, name);
    if (conditionOf(seen, 'Running') === 'True') break;
    if (performance.now() - started > DEADLINE_MS) throw new Error(`${name} did not start`);
    await sleep(5);
  }
  const elapsed = performance.now() - started;
  await house.remove(name);
  return elapsed;
}

type BareCommand = {
  readonly program: string;
  readonly args: readonly string[];
  readonly uid: number;
  readonly gid: number;
  readonly runDirectory: string;
  readonly guestSocket: string;
  readonly bootArchive: string;
  /** The driver's copy for QEMU, which it removes once QEMU has read it. */
  readonly initrd: string;
};

/** Boots one instance, copies its VMM's command line without the wait for the controller, and stops it. */
async function bareCommandOf(house: TestHouse): Promise<BareCommand> {
  await house.declareDemo('bare', {});
  await house.untilReady('bare');
  const [machine] = await machinesOf(house.place);
  if (machine === undefined) throw new Error('no VMM found');
  const [program = '', ...args] = await argumentsOf(machine.pid);
  const { stdout } = await runCommand('stat', ['-c', '%u %g', `/proc/${machine.pid}`]);
  const [uid = 0, gid = 0] = stdout.split(' ').map(Number);
  await house.declareDemo('bare', { state: 'Stopped' });
  await eventually(
    'stopped',
    () => getInstance(house.place, 'bare'),
    (seen) => seen?.status.state === 'Stopped',
  );
  const runDirectory = `${house.place.runDir}/${machine.id}`;
  return {
    program,
    args: withPlainMemory(args.filter((argument) => argument !== '-S')),
    uid,
    gid,
    runDirectory,
    guestSocket: `${runDirectory}/guest.sock`,
    bootArchive: `${house.place.stateDir}/instances/${machine.id}/boot.cpio`,
    initrd: `${house.place.stateDir}/instances/${machine.id}/initrd.img`,
  };
}

/** RAM as somebody has it who never suspends: what a file costs at a boot is ours to answer for. */
function withPlainMemory(args: readonly string[]): readonly string[] {
  const isOfFile = (word = ''): boolean => /^memory-backend[-=]/.test(word);
  return args.filter((word, at) => !isOfFile(word) && !isOfFile(args[at + 1]));
}

async function timeBare(bare: BareCommand): Promise<number> {
  await mkdir(bare.runDirectory, { recursive: true });
  await runCommand('chown', [`${bare.uid}:${bare.gid}`, bare.runDirectory]);
  await runCommand('cp', [bare.bootArchive, bare.initrd]);
  await runCommand('chown', [`${bare.uid}:${bare.gid}`, bare.initrd]);
  const started = performance.now();
  const child = spawn(
    'setpriv',
    [`--reuid=${bare.uid}`, `--regid=${bare.gid}`, '--groups=1879048192', bare.program, ...bare.args],
    { stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  const id = instanceId('bare');
  const links = openGuestLinks({ connect: (path) => connectUnix(path), onChange: () => undefined });
  try {
    while (links.look(id, bare.guestSocket).state !== 'started') {
      if (performance.now() - started > DEADLINE_MS) throw new Error('the bare machine did not start');
      await sleep(5);
    }
    return performance.now() - started;
  } finally {
    links.close();
    child.kill('SIGKILL');
    await ended;
    await runCommand('rm', ['-rf', bare.runDirectory]);
  }
}
