import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HypemanError, messageOf } from '../errors.ts';
import { ensureDirectory, readIfThere, removeFile, statIfThere, writeAtomically } from '../host/files.ts';
import { ensureOwnedDirectory } from '../host/owned-files.ts';
import { waitUntilGone } from '../host/process-end.ts';
import {
  allPids,
  argumentsOf,
  identityOf,
  isAlive,
  signalProcess,
  spawnDetached,
} from '../host/processes.ts';
import type { Detached } from '../host/processes.ts';
import type { ProcessIdentity } from '../machine/machine.ts';
import { connectControl } from './control/client.ts';
import { parseFields, textIn, wholeIn } from './control/fields.ts';
import { outsideText } from './outside.ts';
import type { Outside } from './outside.ts';
import { EGRESS_ID, titleFor } from './place.ts';
import type { EgressPlace } from './place.ts';

/** Node reads and checks our files in 0.3 s at rest. */
const ANSWERS_WITHIN_MS = 30_000;
const FIRST_LOOK_MS = 20;
const TERMINATED_WITHIN_MS = 2000;
const KILLED_WITHIN_MS = 10_000;
const LOG_TAIL = 600;
/** Passable for who lives below; the list of names is root's. */
const PASSABLE = 0o711;

/**
 * The living egress process of this place, or undefined. Where a controller died between starting one
 * and recording it, its arguments give it away, and the record is made up for.
 */
export async function findEgress(place: EgressPlace, bootId: string): Promise<ProcessIdentity | undefined> {
  const recorded = parseIdentity(await readIfThere(place.identity));
  if (recorded !== undefined && (await isAlive(recorded, bootId))) return recorded;
  if ((await statIfThere(place.socketDirectory)) === undefined) return undefined;
  const found = await scanForEgress(place, bootId);
  if (found !== undefined) await record(place, found);
  return found;
}

/** Starts the process and returns once it answers. Throws `ProxyStartFailed`; no process is left then. */
export async function startEgress(
  place: EgressPlace,
  bootId: string,
  outside: Outside,
): Promise<ProcessIdentity> {
  await prepare(place, outside);
  const logFrom = (await statIfThere(place.log))?.size ?? 0;
  const [program, ...args] = commandFor(place);
  const started = await spawnDetached(program, args, {
    name: place.name,
    logPath: place.log,
    cwd: '/',
    bootId,
  });
  try {
    await record(place, started.identity);
    await answerOrEnd(place, started);
    return started.identity;
  } catch (error) {
    await signalProcess(started.identity, bootId, 'SIGKILL');
    await waitUntilGone(started.identity, bootId, KILLED_WITHIN_MS);
    await removeFile(place.identity);
    const said = ((await readIfThere(place.log)) ?? '').slice(logFrom).trim().slice(-LOG_TAIL);
    throw new HypemanError(
      'transient',
      'ProxyStartFailed',
      `the egress process did not start: ${messageOf(error)}${said === '' ? '' : `: ${said}`}`,
      { cause: error },
    );
  }
}

/** Whether the process that was started last was told the same of the world. */
export async function wasTold(place: EgressPlace, outside: Outside): Promise<boolean> {
  return (await readIfThere(place.outside)) === outsideText(outside);
}

/** Ends the process, kindly first. One that is gone already is ended. */
export async function endEgress(place: EgressPlace, bootId: string): Promise<void> {
  const identity = await findEgress(place, bootId);
  if (identity !== undefined) {
    await signalProcess(identity, bootId, 'SIGTERM');
    if (!(await waitUntilGone(identity, bootId, TERMINATED_WITHIN_MS))) await killEgress(identity, bootId);
  }
  await removeFile(place.socket);
  await removeFile(place.identity);
}

/** For one that does not answer: every policy is put again into the next one. */
export async function killEgress(identity: ProcessIdentity, bootId: string): Promise<void> {
  await signalProcess(identity, bootId, 'SIGKILL');
  if (await waitUntilGone(identity, bootId, KILLED_WITHIN_MS)) return;
  throw new HypemanError(
    'transient',
    'ProxyWillNotEnd',
    `the egress process (pid ${identity.pid}) does not end, even when killed: the kernel holds it`,
  );
}

/**
 * No core file, since it would hold secrets; no privilege to gain. It begins as root with just the rights
 * to read our files wherever they are and to become somebody else, and gives them up itself (process.ts).
 * prlimit(1) and setpriv(1) become the command by exec, so that the pid is that of the command.
 */
function commandFor(place: EgressPlace): readonly [string, ...string[]] {
  return [
    ...(['prlimit', '--core=0', 'setpriv', '--no-new-privs', '--inh-caps=-all'] as const),
    ...['--bounding-set=-all,+dac_read_search,+setuid,+setgid', '--clear-groups', '--'],
    // A debugger would read the values: SIGUSR1 must not open one.
    ...[process.execPath, '--disable-sigusr1', ...entryArguments(place), '--user', String(EGRESS_ID)],
  ];
}

/** By these it is found again; the entry lies beside this file, in the source tree and in what is published. */
function entryArguments(place: EgressPlace): readonly string[] {
  const entry = fileURLToPath(new URL(`./process${extname(import.meta.url)}`, import.meta.url));
  return [entry, '--authorities', place.authorities, '--outside', place.outside, '--socket', place.socket];
}

async function prepare(place: EgressPlace, outside: Outside): Promise<void> {
  await ensureDirectory(place.directory, PASSABLE);
  await ensureDirectory(place.socketDirectory.slice(0, place.socketDirectory.lastIndexOf('/')), PASSABLE);
  const own = { uid: EGRESS_ID, gid: EGRESS_ID, mode: 0o700 };
  await ensureOwnedDirectory(place.authorities, own);
  await ensureOwnedDirectory(place.socketDirectory, own);
  await writeAtomically(place.outside, outsideText(outside), 0o644);
}

async function record(place: EgressPlace, identity: ProcessIdentity): Promise<void> {
  await writeAtomically(place.identity, `${JSON.stringify(identity)}\n`);
}

async function answerOrEnd(place: EgressPlace, started: Detached): Promise<void> {
  const isOver = new AbortController();
  const ended = started.ended.then(({ code, signal }) => {
    throw new HypemanError('transient', 'ProxyEnded', `it ended (${signal ?? `exit code ${String(code)}`})`);
  });
  try {
    await Promise.race([ended, untilAnswer(place, started.identity.pid, isOver.signal)]);
  } finally {
    isOver.abort();
    ended.catch(() => undefined);
  }
}

async function untilAnswer(place: EgressPlace, pid: number, signal: AbortSignal): Promise<void> {
  const end = Date.now() + ANSWERS_WITHIN_MS;
  while (!signal.aborted) {
    if ((await pidThatAnswers(place)) === pid) return;
    if (Date.now() > end)
      throw new HypemanError('transient', 'ProxySilent', `no answer within ${ANSWERS_WITHIN_MS / 1000} s`);
    await delay(FIRST_LOOK_MS);
  }
}

async function pidThatAnswers(place: EgressPlace): Promise<number | undefined> {
  try {
    const client = await connectControl(place.socket);
    const pid = await client.ping();
    client.end();
    return pid;
  } catch {
    return undefined;
  }
}

async function scanForEgress(place: EgressPlace, bootId: string): Promise<ProcessIdentity | undefined> {
  for (const pid of await allPids()) {
    // Its arguments until it runs, then the title it gives itself over them, zeros behind it.
    const words = (await argumentsOf(pid)).join(' ').trimEnd();
    const isNamed = words.includes(entryArguments(place).join(' ')) || words === titleFor(place.socket);
    if (!isNamed || !(await isOurs(pid))) continue;
    const identity = await identityOf(pid, bootId);
    if (identity !== undefined) return identity;
  }
  return undefined;
}

/** Of our user, or still of root on its way there: a name alone anybody can put on. */
async function isOurs(pid: number): Promise<boolean> {
  const uid = /^Uid:\t(\d+)/m.exec((await readIfThere(`/proc/${pid}/status`)) ?? '')?.[1];
  return uid === '0' || uid === String(EGRESS_ID);
}

/** A record that cannot be read counts as none: the processes themselves are asked instead. */
function parseIdentity(text: string | undefined): ProcessIdentity | undefined {
  if (text === undefined) return undefined;
  try {
    const fields = parseFields(text);
    return {
      pid: wholeIn(fields, 'pid'),
      startTime: wholeIn(fields, 'startTime'),
      bootId: textIn(fields, 'bootId', 64),
    };
  } catch {
    return undefined;
  }
}
