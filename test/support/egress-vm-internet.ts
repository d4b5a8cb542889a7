import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandOutput, runCommand } from '../../src/host/exec.ts';
import type { WorldEvent } from './egress-vm-world.ts';
import { valuesOf } from './egress-upstream.ts';

export type RequestSeen = Extract<WorldEvent, { is: 'request' | 'websocket' }>;

/** A small internet behind a cable of this host: servers, a name server, and an address that nobody may reach. */
export type Internet = {
  /** Of all the names. */
  readonly address: string;
  /** Takes any TCP on 5432; whatever comes to it has passed the guard. */
  readonly sink: string;
  /** This host's own, on the cable. */
  readonly host: string;
  /** PEM file of the CA of its servers. */
  readonly trustBundle: string;
  readonly names: readonly string[];
  /** All that was seen, in order. */
  readonly events: readonly WorldEvent[];
  /** Requests whose URL or `x-case` header holds this mark. */
  requests(mark: string): readonly RequestSeen[];
  /** Packets of any kind that came to the sink, and packets with a guest's own address that came anywhere. */
  leaked(): Promise<{ readonly toSink: number; readonly fromGuests: number }>;
  close(): Promise<void>;
};

const NAMES = ['api.test', 'other.test', 'git.test', 'one.wild.test', 'wild.test'];
const PROGRAM = new URL('egress-vm-world.ts', import.meta.url).pathname;

/** Addresses of a network that is nobody's here: two runs at one time have two of them. */
export async function openInternet(guests: string): Promise<Internet> {
  const net = `11.${(process.pid >> 8) & 255}.${process.pid & 255}`;
  const [host, address, sink] = [`${net}.1`, `${net}.2`, `${net}.9`];
  const space = `hmworld-${process.pid}`;
  const cable = `hmw${process.pid}`;
  const directory = await mkdtemp(join(tmpdir(), 'hm-world-'));
  const inside = ['netns', 'exec', space];
  const takeAway = async (): Promise<void> => {
    await runCommand('ip', ['netns', 'del', space]);
    await runCommand('ip', ['link', 'del', cable]);
    await rm(directory, { recursive: true, force: true });
  };
  await commandOutput('ip', ['netns', 'add', space]);
  const lines = [
    `link add ${cable} type veth peer name up0 netns ${space}`,
    `address add ${host}/28 dev ${cable}`,
    `link set ${cable} up`,
  ];
  await commandOutput('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
  const far = ['link set lo up', 'link set up0 up', `address add ${address}/28 dev up0`];
  const more = [`address add ${sink}/28 dev up0`, `route add default via ${host}`];
  await commandOutput('ip', [...inside, 'ip', '-batch', '-'], { input: `${[...far, ...more].join('\n')}\n` });
  await commandOutput('ip', [...inside, 'nft', '-f', '-'], { input: countersFor(sink, guests) });
  const child = spawn('ip', [...inside, process.execPath, PROGRAM, directory, address, sink, ...NAMES], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const events: WorldEvent[] = [];
  const ready = Promise.withResolvers<undefined>();
  child.once('exit', () => {
    ready.reject(new Error('the internet of this suite did not start'));
  });
  createInterface(child.stdout).on('line', (line) => {
    if (line === 'ready') ready.resolve(undefined);
    else events.push(JSON.parse(line) as WorldEvent);
  });
  await ready.promise.catch(async (error: unknown) => {
    await takeAway();
    throw error;
  });
  return {
    ...{ address, sink, host, names: NAMES, events, trustBundle: `${directory}/ca.pem` },
    requests: (mark) =>
      events.filter((event): event is RequestSeen => 'rawHeaders' in event && marks(event).includes(mark)),
    leaked: async () => {
      const listed = await commandOutput('ip', [...inside, 'nft', '-j', 'list', 'counters']);
      return { toSink: packetsOf(listed, 'to_sink'), fromGuests: packetsOf(listed, 'from_guests') };
    },
    close: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      await takeAway();
    },
  };
}

function marks({ url, rawHeaders }: RequestSeen): string {
  return [url, ...valuesOf(rawHeaders, 'x-case')].join(' ');
}

function countersFor(sink: string, guests: string): string {
  return `table inet seen {
    counter to_sink {}
    counter from_guests {}
    chain arriving {
      type filter hook prerouting priority raw;
      ip daddr ${sink} counter name to_sink
      ip saddr ${guests} counter name from_guests
    }
  }\n`;
}

function packetsOf(listed: string, name: string): number {
  const { nftables } = JSON.parse(listed) as {
    nftables: readonly { counter?: { name: string; packets: number } }[];
  };
  return nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? -1;
}
