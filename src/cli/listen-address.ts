import { isIP, isIPv4 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { messageOf } from '../errors.ts';
import { parseSubnet as networkOf } from '../network/ipv4.ts';
import { usageFault } from './faults.ts';
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

/** The guests' network, as text that was judged. Throws a usage fault that says what to write. */
export function parseSubnet(text: string): string {
  try {
    return networkOf(text).text;
  } catch (error) {
    throw usageFault(messageOf(error));
  }
}

export function parseNameServer(text: string, before: readonly string[] = []): readonly string[] {
  if (!isIPv4(text)) throw new InvalidArgumentError('Give the IPv4 address of a name server.');
  return [...before, text];
}
