import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readFile, rm, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpConnection } from '../../src/drivers/qemu/qmp.ts';
import { argvFor } from '../../src/drivers/qemu/translate.ts';
import type { Origin, QemuFacts } from '../../src/drivers/qemu/translate.ts';
import { connectUnix } from '../../src/host/unix-socket.ts';
import type { Machine } from '../../src/machine/machine.ts';

/** A QEMU spoken to by hand, in the fewest words that do it: what our own figures are held against. */
export type BareQemu = { readonly child: ChildProcess; readonly qmp: QmpConnection };

/** The same command line as the driver's; RAM in the same file. */
export async function bootBare(machine: Machine, facts: QemuFacts): Promise<BareQemu> {
  await mkdir(machine.paths.directory, { recursive: true });
  await mkdir(machine.paths.runDirectory, { recursive: true });
  await (await open(machine.paths.memory, 'w')).close();
  await truncate(machine.paths.memory, machine.memoryBytes);
  const { child, qmp } = await spawnBare(machine, argvFor({ ...machine, initrd: [] }, facts), [
    ...['-initrd', machine.initrd[0] ?? ''],
  ]);
  await qmp.execute('cont');
  return { child, qmp };
}

/** Milliseconds from a running machine to a device state on disk and no VMM. */
export async function suspendBare({ child, qmp }: BareQemu, state: string): Promise<number> {
  const socket = `${state}.sock`;
  await rm(socket, { force: true });
  const server = createServer();
  server.listen(socket);
  await once(server, 'listening');
  const arriving = once(server, 'connection');
  const began = performance.now();
  await qmp.execute('stop');
  await ignoreShared(qmp);
  await qmp.execute('migrate', { uri: `unix:${socket}` });
  const [stream] = (await arriving) as [Socket];
  await pipeline(stream, createWriteStream(state));
  while (((await qmp.execute('query-migrate')) as { status: string }).status !== 'completed') await sleep(1);
  const ended = once(child, 'exit');
  await qmp.execute('quit').catch(() => undefined);
  await ended;
  const elapsed = performance.now() - began;
  server.close();
  return elapsed;
}

/** Milliseconds from nothing to a running machine. */
export async function restoreBare(
  machine: Machine,
  facts: QemuFacts,
  { state, origin }: { readonly state: string; readonly origin: Origin },
): Promise<{ readonly bare: BareQemu; readonly elapsed: number }> {
  const began = performance.now();
  await mkdir(machine.paths.directory, { recursive: true });
  await mkdir(machine.paths.runDirectory, { recursive: true });
  const argv = argvFor(machine, facts, origin).filter(
    (word) => word !== '-global' && word !== 'migration.send-configuration=off',
  );
  argv[argv.indexOf('-incoming') + 1] = 'defer';
  const bare = await spawnBare(machine, argv, []);
  await ignoreShared(bare.qmp);
  const socket = `${machine.paths.runDirectory}/bare.sock`;
  await rm(socket, { force: true });
  await bare.qmp.execute('migrate-incoming', { uri: `unix:${socket}` });
  const stream = await connectUnix(socket);
  stream.on('error', () => undefined);
  stream.end(await readFile(state));
  while (((await bare.qmp.execute('query-status')) as { status: string }).status === 'inmigrate')
    await sleep(1);
  await bare.qmp.execute('cont');
  return { bare, elapsed: performance.now() - began };
}

export async function killBare({ child }: BareQemu): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function ignoreShared(qmp: QmpConnection): Promise<void> {
  const capabilities = [{ capability: 'x-ignore-shared', state: true }];
  await qmp.execute('migrate-set-capabilities', { capabilities });
}

async function spawnBare(
  { paths }: Machine,
  argv: readonly string[],
  more: readonly string[],
): Promise<BareQemu> {
  await rm(paths.controlSocket, { force: true });
  await mkdir(dirname(paths.consoleLog), { recursive: true });
  const child = spawn('qemu-system-x86_64', [...argv, ...more], { stdio: 'ignore' });
  const qmp = new QmpConnection(await connected(paths.controlSocket), {
    event: () => undefined,
    closed: () => undefined,
  });
  await qmp.ready;
  return { child, qmp };
}

async function connected(path: string): Promise<Socket> {
  for (let tries = 0; tries < 10_000; tries += 1) {
    try {
      return await connectUnix(path);
    } catch {
      await sleep(1);
    }
  }
  throw new Error(`nobody answers on ${path}`);
}
