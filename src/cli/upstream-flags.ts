import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { parseHost } from '../api/hosts.ts';
import type { RunOptions } from './run-options.ts';

type Hosts = RunOptions['upstream']['hosts'];

/** What commander makes of the options below. */
export type UpstreamFlags = {
  readonly upstreamCa?: string;
  readonly upstreamNetwork?: readonly string[];
  readonly upstreamHost?: Hosts;
};

/** What lies behind the egress proxy, as the operator of this host knows it. */
export function addUpstreamOptions(command: Command): void {
  command
    .option(
      '--upstream-ca <file>',
      'CAs (PEM) that servers behind the egress proxy may have, beside the usual',
    )
    .option(
      '--upstream-network <cidr>',
      'a private network that guests may reach through the egress proxy; repeatable',
      parseNetwork,
    )
    .option(
      '--upstream-host <name=address>',
      'the address of a name for the egress proxy, as curl --resolve; repeatable',
      parseUpstreamHost,
    );
}

/** These options as one word of `RunOptions`, and what else was given. */
export function takeUpstream<T extends UpstreamFlags>(
  flags: T,
): { readonly upstream: RunOptions['upstream']; readonly others: Omit<T, keyof UpstreamFlags> } {
  const { upstreamCa, upstreamNetwork = [], upstreamHost = {}, ...others } = flags;
  const ca = upstreamCa === undefined ? {} : { caFile: resolve(upstreamCa) };
  return { upstream: { ...ca, networks: upstreamNetwork, hosts: upstreamHost }, others };
}

/** No private network is wider: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193). */
const WIDEST = { 4: 8, 6: 7 } as const;
const LONGEST = { 4: 32, 6: 128 } as const;

/** `10.9.0.0/16` or `fd00:9::/32`, added to those before. Throws commander's own refusal. */
export function parseNetwork(text: string, before: readonly string[] = []): readonly string[] {
  const { address = '', digits = '' } = /^(?<address>[^/]+)\/(?<digits>\d{1,3})$/.exec(text)?.groups ?? {};
  const family = isIP(address);
  const prefix = Number(digits);
  if ((family !== 4 && family !== 6) || prefix > LONGEST[family])
    throw new InvalidArgumentError('Write a network as 10.9.0.0/16.');
  if (prefix < WIDEST[family])
    throw new InvalidArgumentError(
      `It is wider than any private network: give at least /${WIDEST[family]}, and only what guests need.`,
    );
  return [...new Set([...before, text])];
}

/** `api.example.com=10.9.0.7`, added to those before. Throws commander's own refusal. */
export function parseUpstreamHost(text: string, before: Hosts = {}): Hosts {
  const [name = '', address = '', ...more] = text.split('=');
  const host = parseHost(name);
  if (more.length > 0 || isIP(address) === 0)
    throw new InvalidArgumentError('Write NAME=ADDRESS, as api.example.com=10.9.0.7.');
  if (host.is === 'wrong') throw new InvalidArgumentError(`${host.message}.`);
  if (host.pattern.startsWith('*.') || isIP(host.pattern) !== 0)
    throw new InvalidArgumentError(`"${name}" is not one DNS name.`);
  return { ...before, [host.pattern]: [...new Set([...(before[host.pattern] ?? []), address])] };
}
