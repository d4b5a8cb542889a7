import { ipv4Number } from '../../src/network/ipv4.ts';

/** Raw frames in hex, as an attacker would lay them out. */
export type Ends = {
  readonly fromMac: string;
  readonly toMac: string;
  readonly fromIp: string;
  readonly toIp: string;
};

export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

export function ethernet(toMac: string, fromMac: string, type: number, payload: string): string {
  return `${plain(toMac)}${plain(fromMac)}${word(type)}${payload}`.padEnd(120, '0');
}

/** An 802.1Q tag before what a frame carries. */
export function tagged(frame: string, vlan: number): string {
  return `${frame.slice(0, 24)}8100${word(vlan)}${frame.slice(24)}`;
}

export function udpFrame(ends: Ends, port: number, text: string): string {
  const data = Buffer.from(text, 'latin1').toString('hex');
  const length = 8 + data.length / 2;
  // A sum of zero means that there is none (RFC 768).
  const udp = `${word(40_000)}${word(port)}${word(length)}0000${data}`;
  return ethernet(ends.toMac, ends.fromMac, 0x0800, ipv4(ends, 17, udp));
}

export function arpRequest(ends: Ends & { readonly senderMac?: string }): string {
  const { fromMac, senderMac = fromMac, fromIp, toIp } = ends;
  const body = `0001080006040001${plain(senderMac)}${address(fromIp)}000000000000${address(toIp)}`;
  return ethernet(ends.toMac, fromMac, 0x0806, body);
}

/** An ICMPv6 echo request to all nodes; its sum is not right, because none may come so far. */
export function ipv6Frame(fromMac: string, toMac: string, text: string): string {
  const data = `8000000000010001${Buffer.from(text, 'latin1').toString('hex')}`;
  const source = 'fe800000000000000000000000000001';
  const head = `60000000${word(data.length / 2)}3aff${source}ff020000000000000000000000000001`;
  return ethernet(toMac, fromMac, 0x86dd, head + data);
}

export function hexOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

function ipv4({ fromIp, toIp }: Ends, protocol: number, payload: string): string {
  const length = word(20 + payload.length / 2);
  const before = `4500${length}0000400040${byte(protocol)}`;
  const addresses = `${address(fromIp)}${address(toIp)}`;
  return `${before}${checksum(`${before}0000${addresses}`)}${addresses}${payload}`;
}

/** RFC 1071. */
function checksum(header: string): string {
  let sum = 0;
  for (let at = 0; at < header.length; at += 4) sum += Number.parseInt(header.slice(at, at + 4), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return word(~sum & 0xffff);
}

function address(ip: string): string {
  return (ipv4Number(ip) ?? 0).toString(16).padStart(8, '0');
}

function plain(mac: string): string {
  return mac.replaceAll(':', '');
}

function word(number: number): string {
  return number.toString(16).padStart(4, '0');
}

function byte(number: number): string {
  return number.toString(16).padStart(2, '0');
}
