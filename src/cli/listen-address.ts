import { isIP, isIPv4 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import type { RunOptions } from './run-options.ts';

/** `127.0.0.1:9464`, `[::1]:9464`, `:9464` (loopback) or `off`. Throws commander's own refusal. */
export function parseListen(text: string): RunOptions['listen'] {
  if (text === 'off') return 'off';
  const { bracketed, plain, digits = '' } = ADDRESS.exec(text)?.groups ?? {};
  const address = bracketed ?? (plain === '' ? '127.0.0.1' : (plain ?? ''));
  const port = Number(digits);
  if (isIP(address) === 0 || port > 65_535)
    throw new InvalidArgumentError('Write ADDRESS:PORT, as 127.0.0.1:9464, or off.');
  return { address, port };
}

const ADDRESS = /^(?:\[(?<bracketed>.+)\]|(?<plain>[^:]*)):(?<digits>\d{1,5})$/;

/** An IPv4 network as `10.100.0.0/16`, wide enough for a gateway and a guest. */
export function parseSubnet(text: string): string {
  const [address = '', bits = ''] = text.split('/');
  const prefix = Number(bits);
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || prefix < 8 || prefix > 30)
    throw new InvalidArgumentError('Write an IPv4 network from /8 to /30, as 10.100.0.0/16.');
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  if (number % 2 ** (32 - prefix) !== 0)
    throw new InvalidArgumentError(`${address} is not the first address of a /${bits} network.`);
  return text;
}

export function parseNameServer(text: string, before: readonly string[] = []): readonly string[] {
  if (!isIPv4(text)) throw new InvalidArgumentError('Give the IPv4 address of a name server.');
  return [...before, text];
}
