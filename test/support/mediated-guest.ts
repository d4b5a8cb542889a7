import type { ListenerPorts } from '../../src/machine/egress.ts';
import { GATEWAY } from './netns.ts';
import type { LabProcess, NetnsLab } from './netns.ts';

/** Listener ports from this one on. */
export function portsFrom(first: number): ListenerPorts {
  return { explicit: first, tls: first + 1, http: first + 2, dns: first + 3 };
}

/** What stands in for the proxy's listeners of one guest: each answers with its name and who asked. */
export async function listenFor(
  lab: NetnsLab,
  name: string,
  ports: ListenerPorts,
): Promise<readonly LabProcess[]> {
  const listeners = Object.entries(ports).map(([service, port]) =>
    lab.serve(lab.hostNs, `${name}'s ${service} for`, GATEWAY, port),
  );
  return Promise.all(listeners);
}

/** The answer, or how it was denied: `reset`, `prohibited` (ICMP), or `silence` for a second. */
export async function knock(
  lab: NetnsLab,
  space: string,
  by: 'tcp' | 'udp',
  [address, port]: readonly [string, number],
): Promise<string> {
  return lab.output(space, process.execPath, ['-e', KNOCK_PROGRAM, by, address, String(port)]);
}

/** A TCP connection that stays open; says `open`, `heard` for each answer, and `cut` at its end. */
export async function hold(
  lab: NetnsLab,
  space: string,
  { address, port, isSilent = false }: { address: string; port: number; isSilent?: boolean },
): Promise<LabProcess> {
  const held = await lab.start(space, process.execPath, [
    '-e',
    HOLD_PROGRAM,
    address,
    String(port),
    isSilent ? 'silent' : 'talking',
  ]);
  if (!(await held.said((line) => line === 'heard'))) throw new Error(`no connection to ${address}:${port}`);
  return held;
}

/** Answers every TCP connection again and again, asked or not; says `cut` at the end of each. */
export async function talk(lab: NetnsLab, space: string, address: string, port: number): Promise<LabProcess> {
  const server = await lab.start(space, process.execPath, ['-e', TALK_PROGRAM, address, String(port)]);
  if (!(await server.said((line) => line === 'ready'))) throw new Error(`nobody listens on ${address}`);
  return server;
}

const KNOCK_PROGRAM = `
const [by, address, port] = process.argv.slice(1);
const end = (text) => process.stdout.write(text, () => process.exit(0));
const denied = ({ code }) => end({ ECONNREFUSED: by === 'tcp' ? 'reset' : 'unreachable', ECONNRESET: 'reset', EHOSTUNREACH: 'prohibited' }[code] ?? code);
setTimeout(() => end('silence'), 1000);
if (by === 'tcp') {
  const socket = require('node:net').connect(Number(port), address);
  socket.on('data', end);
  socket.on('error', denied);
} else {
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', end);
  socket.on('error', denied);
  socket.connect(Number(port), address, () => socket.send('question'));
}
`;

const HOLD_PROGRAM = `
const [address, port, way] = process.argv.slice(1);
const socket = require('node:net').connect(Number(port), address, () => console.log('open'));
socket.setNoDelay(true);
socket.on('data', () => console.log('heard'));
socket.on('error', () => {});
socket.on('close', () => { console.log('cut'); process.exit(0); });
if (way === 'talking') setInterval(() => socket.write('more '), 50);
else setInterval(() => {}, 1000);
`;

const TALK_PROGRAM = `
const [address, port] = process.argv.slice(1);
require('node:net').createServer((socket) => {
  const talking = setInterval(() => socket.write('more '), 50);
  socket.on('data', () => console.log('heard'));
  socket.on('error', () => {});
  socket.on('close', () => { clearInterval(talking); console.log('cut'); });
}).listen(Number(port), address, () => console.log('ready'));
`;
