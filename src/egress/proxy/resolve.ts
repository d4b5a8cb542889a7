import { Resolver } from 'node:dns/promises';
import type { RecordWithTtl } from 'node:dns';
import type { Resolve } from '../ports.ts';

type Known = { readonly addresses: readonly string[]; readonly until: number };

const SHORTEST_MS = 1000;
const LONGEST_MS = 30_000;
const MOST_NAMES = 4096;

/**
 * Asks the host's name servers, or those that are named, not getaddrinfo(3): that would take one of four threads per question,
 * which one guest's dead names could hold. Answers are kept for their own time, between 1 and 30 seconds.
 */
export function openResolve(now: () => number, servers: readonly string[] = []): Resolve {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const known = new Map<string, Known>();
  return async (name) => {
    const kept = known.get(name);
    if (kept !== undefined && kept.until > now()) return kept.addresses;
    const records = await bothFamilies(resolver, name);
    const addresses = records.map((record) => record.address);
    const seconds = Math.min(...records.map((record) => record.ttl));
    if (known.size >= MOST_NAMES) known.clear();
    known.set(name, {
      addresses,
      until: now() + Math.min(LONGEST_MS, Math.max(SHORTEST_MS, seconds * 1000)),
    });
    return addresses;
  };
}

/** One family that has an answer is enough; the error of the first tells why none has. */
async function bothFamilies(resolver: Resolver, name: string): Promise<readonly RecordWithTtl[]> {
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length === 0 && four.status === 'rejected') throw four.reason;
  return records;
}
