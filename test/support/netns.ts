import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandOutput, runCommand } from '../../src/host/exec.ts';
import type { CommandResult } from '../../src/host/exec.ts';
import { watchLines } from '../../src/host/watch-lines.ts';
import { instanceId, tapNameFor } from '../../src/machine/ids.ts';
import { ownerFor } from '../../src/machine/owner.ts';
import type { Identity } from '../../src/machine/record.ts';
import { ipv4Number, macFor } from '../../src/network/ipv4.ts';
import type { NetworkHost } from '../../src/network/network-host.ts';

export const TAG = 'lab0';
export const GATEWAY = '10.100.0.1';
export const GATEWAY_MAC = '02:68:0a:64:00:01';
/** The host: on its uplink, and an address of its own beside it. */
export const UPLINK = '198.51.100.2';
export const HOST_OTHER = '192.0.2.77';
/** The internet: a server, and a name server. Neither knows a way to the pool. */
export const SERVER = '198.51.100.1';
export const RESOLVER = '203.0.113.53';
export const SECOND_RESOLVER = '203.0.113.54';

/** A program in a namespace, and the lines that it has said. */
export type LabProcess = {
  readonly lines: readonly string[];
  /** The first line that passes, waited for. */
  said(passes: (line: string) => boolean, withinMs?: number): Promise<boolean>;
  end(): Promise<void>;
};

/**
 * A host with an uplink into an internet, all in network namespaces of their own; guests join by their tap as a
 * VMM would. Nothing of the machine's own network is touched.
 */
export class NetnsLab {
  readonly #name = `hmlab-${process.pid}-${Math.random().toString(36).slice(2, 7)}`;
  readonly #namespaces: string[] = [];
  readonly #processes: LabProcess[] = [];
  #directory = '';

  readonly hostNs = `${this.#name}-host`;
  readonly internetNs = `${this.#name}-net`;

  /** What openNetwork works on. */
  readonly host: NetworkHost = {
    run: (program, args, input) => this.run(this.hostNs, program, args, input),
    writeSysctls: async (wanted) => {
      const lines = Object.entries(wanted).map(([path, value]) => `${path} ${value}\n`);
      const script =
        'while read -r path value; do [ ! -e "/proc/sys/$path" ] || echo "$value" > "/proc/sys/$path"; done';
      const { exitCode, stderr } = await this.run(this.hostNs, 'sh', ['-ec', script], lines.join(''));
      if (exitCode !== 0) throw new Error(`sysctl: ${stderr}`);
    },
    watchLines: (program, args, listener) =>
      watchLines('ip', ['netns', 'exec', this.hostNs, program, ...args], listener),
  };

  async open(): Promise<this> {
    this.#directory = await mkdtemp(join(tmpdir(), 'hmlab-'));
    const source = new URL('netns-guest.c', import.meta.url).pathname;
    await commandOutput('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', this.#guestProgram, source]);
    for (const space of [this.hostNs, this.internetNs]) await this.#addNamespace(space);
    await this.ip(
      this.hostNs,
      `link add up0 type veth peer name up0 netns ${this.internetNs}`,
      'link set lo up',
      'link set up0 up',
      `address add ${UPLINK}/24 dev up0`,
      `address add ${HOST_OTHER}/32 dev lo`,
    );
    await this.ip(
      this.internetNs,
      'link set lo up',
      'link set up0 up',
      `address add ${SERVER}/24 dev up0`,
      `address add ${RESOLVER}/32 dev lo`,
      `address add ${SECOND_RESOLVER}/32 dev lo`,
    );
    await this.ip(this.hostNs, `route add default via ${SERVER}`);
    return this;
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.end()));
    for (const space of this.#namespaces) await runCommand('ip', ['netns', 'del', space]);
    await rm(this.#directory, { recursive: true, force: true });
  }

  run(space: string, program: string, args: readonly string[], input?: string): Promise<CommandResult> {
    return runCommand('ip', ['netns', 'exec', space, program, ...args], input === undefined ? {} : { input });
  }

  /** Its stdout; anything but success fails the test. */
  async output(space: string, program: string, args: readonly string[], input?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(space, program, args, input);
    if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async ip(space: string, ...lines: readonly string[]): Promise<void> {
    await this.output(space, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);
  }

  /** A guest behind its tap, with a network stack of its own. The tap must be there. */
  async join(identity: Identity, space = `${this.#name}-${identity.tap}`): Promise<LabGuest> {
    await this.#addNamespace(space);
    const cable = await this.start(this.hostNs, this.#guestProgram, [
      'join',
      identity.tap,
      space,
      identity.mac,
    ]);
    if (!(await cable.said((line) => line === 'joined'))) throw new Error(`no tap ${identity.tap}`);
    await this.ip(
      space,
      'link set lo up',
      'link set eth0 up',
      `address add ${identity.ip}/32 dev eth0`,
      `route add ${identity.gateway}/32 dev eth0`,
      `route add default via ${identity.gateway} dev eth0`,
    );
    return { identity, space, cable };
  }

  async send(guest: LabGuest, frame: string): Promise<void> {
    await this.output(guest.space, this.#guestProgram, ['send', 'eth0', frame]);
  }

  /** Every frame that arrives on a device, in hex. */
  async watch(space: string, device: string): Promise<LabProcess> {
    const watcher = await this.start(space, this.#guestProgram, ['watch', device]);
    await watcher.said((line) => line === 'watching');
    return watcher;
  }

  /** As a host's own program does (lldpd, a DHCP server): the frames of one protocol on one device. */
  async listen(space: string, device: string, type: number): Promise<LabProcess> {
    const listener = await this.start(space, this.#guestProgram, ['watch', device, type.toString(16)]);
    await listener.said((line) => line === 'watching');
    return listener;
  }

  /** Answers every TCP connection and UDP datagram with `NAME PEER`, and says so. */
  async serve(space: string, name: string, address: string, port: number): Promise<LabProcess> {
    const server = await this.start(space, process.execPath, [
      '-e',
      SERVER_PROGRAM,
      name,
      address,
      String(port),
    ]);
    if (!(await server.said((line) => line === 'ready'))) throw new Error(`${name} does not listen`);
    return server;
  }

  /** What a server answers, or undefined when nothing comes within the time. */
  async ask(space: string, by: 'tcp' | 'udp', address: string, port: number): Promise<string | undefined> {
    const args = ['-e', CLIENT_PROGRAM, by, address, String(port)];
    const { stdout } = await this.run(space, process.execPath, args);
    return stdout === '' ? undefined : stdout;
  }

  async ping(space: string, address: string): Promise<boolean> {
    const { exitCode } = await this.run(space, 'busybox', ['ping', '-c', '1', '-W', '1', address]);
    return exitCode === 0;
  }

  start(space: string, program: string, args: readonly string[]): Promise<LabProcess> {
    const child = spawn('ip', ['netns', 'exec', space, program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const started = labProcess(child);
    this.#processes.push(started);
    return Promise.resolve(started);
  }

  /** A path of a test's own, gone with the lab. */
  file(name: string): string {
    return join(this.#directory, name);
  }

  get #guestProgram(): string {
    return this.file('netns-guest');
  }

  async #addNamespace(space: string): Promise<void> {
    this.#namespaces.push(space);
    await commandOutput('ip', ['netns', 'add', space]);
  }
}

export type LabGuest = { readonly identity: Identity; readonly space: string; readonly cable: LabProcess };

/** The identity of the guest with this address. */
export function identityAt(ip: string, tag = TAG): Identity {
  const number = ipv4Number(ip) ?? 0;
  const id = instanceId(`c${String(number).padStart(23, '0')}`);
  return {
    ...{ id, ip, gateway: GATEWAY, mac: macFor(number), tap: tapNameFor(id, tag), salt: '' },
    owner: ownerFor(number % 65_536),
  };
}

/** True as soon as `holds` does, false when it never did within the time. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 5000): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function labProcess(child: ChildProcess): LabProcess {
  const lines: string[] = [];
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
  });
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    lines,
    said: (passes, withinMs) => eventually(() => lines.some(passes), withinMs),
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const SERVER_PROGRAM = `
const [name, address, port] = process.argv.slice(1);
const tcp = require('node:net').createServer((socket) => {
  socket.on('error', () => {});
  console.log('tcp ' + socket.remoteAddress);
  socket.end(name + ' ' + socket.remoteAddress);
});
const udp = require('node:dgram').createSocket('udp4');
udp.on('message', (message, from) => {
  console.log('udp ' + from.address + ' ' + message.toString('latin1'));
  udp.send(name + ' ' + from.address, from.port, from.address);
});
tcp.listen(Number(port), address, () => udp.bind(Number(port), address, () => console.log('ready')));
`;

const CLIENT_PROGRAM = `
const [by, address, port] = process.argv.slice(1);
const answer = (bytes) => process.stdout.write(bytes, () => process.exit(0));
setTimeout(() => process.exit(1), 1000);
if (by === 'tcp') {
  const socket = require('node:net').connect(Number(port), address);
  socket.on('data', answer);
  socket.on('error', () => process.exit(1));
} else {
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', answer);
  socket.on('error', () => process.exit(1));
  socket.send('question', Number(port), address);
}
`;
