import { TAP_PREFIX } from '../machine/ids.ts';
import { isObject, nftObjects, textOf } from './json.ts';
import type { JsonObject } from './json.ts';
import { thisHost } from './network-host.ts';
import type { NetworkHost } from './network-host.ts';

/** Everything below, and what a host without a usable name server means. */
export async function hostProblems(
  host: NetworkHost,
  resolvers: readonly string[],
): Promise<readonly string[]> {
  const [forward, reversePath] = await Promise.all([forwardProblems(host), reversePathProblem(host)]);
  const names =
    'this host has no IPv4 name server that a guest could be sent to: guests resolve no names until you give one with --dns ADDRESS';
  return [
    ...forward,
    ...(reversePath === undefined ? [] : [reversePath]),
    ...(resolvers.length === 0 ? [names] : []),
  ];
}

/**
 * Other tables of this host that drop what is forwarded unless told otherwise (Docker's `ip filter` does).
 * No rule of ours can overrule a drop, so each is told with the way out; one that speaks of our taps has been
 * told already. Rules of iptables-legacy are not seen here.
 */
export async function forwardProblems(host: NetworkHost = thisHost): Promise<readonly string[]> {
  const { exitCode, stdout } = await host.run('nft', ['-j', 'list', 'chains']);
  if (exitCode !== 0) return [];
  const closed = nftObjects(stdout).flatMap(({ chain }) =>
    isObject(chain) && dropsForwarded(chain) ? [chain] : [],
  );
  const problems: string[] = [];
  for (const chain of closed) {
    const [family, table, name] = [chain.family, chain.table, chain.name].map(textOf);
    const listed = await host.run('nft', ['list', 'table', family ?? '', table ?? '']);
    if (!listed.stdout.includes(`ifname "${TAP_PREFIX}`))
      problems.push(problemOf(family ?? '', table ?? '', name ?? ''));
  }
  return problems;
}

/** Strict filtering by reverse path is what holds spoofed sources while somebody has flushed our table. */
export async function reversePathProblem(host: NetworkHost = thisHost): Promise<string | undefined> {
  const { stdout } = await host.run('cat', ['/proc/sys/net/ipv4/conf/all/rp_filter']);
  if (stdout.trim() !== '2') return undefined;
  return 'net.ipv4.conf.all.rp_filter is 2 (loose) and overrules the strict filter of each tap: set it to 0 or 1, because the taps bring their own';
}

function dropsForwarded(chain: JsonObject): boolean {
  const isIpv4 = ['ip', 'inet'].includes(textOf(chain.family));
  return isIpv4 && chain.hook === 'forward' && chain.policy === 'drop';
}

function problemOf(family: string, table: string, chain: string): string {
  const place = `the chain ${chain} of the nftables table ${family} ${table}`;
  if (family !== 'ip' || table !== 'filter')
    return `${place} drops what is forwarded: guests reach nothing until it accepts iifname "${TAP_PREFIX}*" and, for answers, oifname "${TAP_PREFIX}*" ct state established,related`;
  return `${place} (iptables, often Docker's) drops what is forwarded: guests reach nothing until you run iptables -I FORWARD -i ${TAP_PREFIX}+ -j ACCEPT and iptables -I FORWARD -o ${TAP_PREFIX}+ -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`;
}
