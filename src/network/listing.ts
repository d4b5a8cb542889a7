import { commandFailed } from '../host/exec.ts';
import { TAP_PREFIX } from '../machine/ids.ts';
import { tapOf } from './device-names.ts';
import { member, objectsIn, textOf } from './json.ts';
import type { JsonObject } from './json.ts';
import { listedRuleset } from './listed-ruleset.ts';
import type { ListedRuleset } from './listed-ruleset.ts';
import type { NetworkHost } from './network-host.ts';
import type { RoutingRule } from './routing.ts';
import { ROUTE_PROTOCOL } from './tap.ts';
import { FAMILIES } from './guest-elements.ts';
import { tableFor } from './ruleset.ts';

/** Everything of ours on this host, as of one moment. */
export type Listing = {
  /** Devices with one of our prefixes and this installation's tag, by name. */
  readonly devices: ReadonlyMap<string, ListedDevice>;
  /** Device of each /32 route of ours, by address. */
  readonly routes: ReadonlyMap<string, string>;
  readonly rules: readonly RoutingRule[];
  readonly ruleset: ListedRuleset | 'absent';
  /** Rate of the tbf at the root of a device, bytes per second. */
  readonly rates: ReadonlyMap<string, number>;
  /** Devices with an ingress qdisc. */
  readonly redirected: ReadonlySet<string>;
};

export type ListedDevice = {
  readonly isUp: boolean;
  readonly owner: number | undefined;
  readonly mac: string;
};

/**
 * Three programs, a fourth where somebody is shaped; their cost grows with the number of guests, so callers share one
 * listing. To start a program holds up the whole controller, on a busy host for 10 ms and more.
 */
export async function listNetwork(host: NetworkHost, tag: string): Promise<Listing> {
  const [seen, ruleset] = await Promise.all([listDevices(host, tag), readRuleset(host, tag)]);
  return { ...seen, ruleset };
}

const QUESTIONS = `link show\nroute show proto ${ROUTE_PROTOCOL}\nrule show\n`;

/** What an answer is of shows in its words: `ip` may say nothing for none, and so answers have no order to go by. */
async function listDevices(host: NetworkHost, tag: string): Promise<Omit<Listing, 'ruleset'>> {
  const text = await outputOf(host, 'ip', ['-json', '-details', '-batch', '-'], QUESTIONS);
  const answers = text.split('\n').flatMap((line) => objectsIn(line, 'ip'));
  const links = answers.filter(({ ifname }) => tapOf(textOf(ifname), tag) !== undefined);
  // A rule may say where to as well; a route has no priority but a metric.
  const rules = answers.filter(({ priority }) => priority !== undefined);
  const routes = answers.filter(({ dst, priority }) => dst !== undefined && priority === undefined);
  const queues = links.some(isShaped) ? await listQueues(host, tag) : [];
  return {
    devices: new Map(links.map((link) => [textOf(link.ifname), deviceOf(link)])),
    routes: new Map(routes.map((one) => [textOf(one.dst), textOf(one.dev)])),
    rules: rules.map(ruleOf),
    rates: new Map(queues.filter(isRootTbf).map((one) => [textOf(one.dev), rateOf(one)])),
    redirected: new Set(queues.filter(({ kind }) => kind === 'ingress').map((one) => textOf(one.dev))),
  };
}

/** Its own queue limits it, or what it sends is led through another device of ours, which is no tap. */
function isShaped(link: JsonObject): boolean {
  return link.qdisc === 'tbf' || !textOf(link.ifname).startsWith(TAP_PREFIX);
}

async function listQueues(host: NetworkHost, tag: string): Promise<readonly JsonObject[]> {
  const queues = objectsIn(await outputOf(host, 'tc', ['-json', 'qdisc', 'show']), 'tc');
  return queues.filter((one) => tapOf(textOf(one.dev), tag) !== undefined);
}

/** Our tables; a host where nobody has put one yet has none. */
async function readRuleset(host: NetworkHost, tag: string): Promise<ListedRuleset | 'absent'> {
  const texts = await Promise.all(FAMILIES.map((family) => readTable(host, family, tableFor(tag))));
  const there = texts.filter((text) => text !== undefined);
  return there.length === 0 ? 'absent' : listedRuleset(there);
}

async function readTable(host: NetworkHost, family: string, table: string): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await host.run('nft', ['-j', 'list', 'table', family, table]);
  if (exitCode === 0) return stdout;
  if (stderr.includes('No such file or directory')) return undefined;
  throw commandFailed('nft', exitCode, stderr);
}

/** As `commandOutput`, on the network stack of `host`. */
export async function outputOf(
  host: NetworkHost,
  program: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const { exitCode, stdout, stderr } = await host.run(program, args, input);
  if (exitCode !== 0) throw commandFailed(program, exitCode, stderr);
  return stdout;
}

function deviceOf(link: JsonObject): ListedDevice {
  const { flags } = link;
  const data = member(link.linkinfo, 'info_data');
  const owner = member(data, 'type') === 'tap' ? member(data, 'user') : undefined;
  return {
    isUp: Array.isArray(flags) && flags.includes('UP'),
    owner: typeof owner === 'number' ? owner : undefined,
    mac: textOf(link.address),
  };
}

function ruleOf(rule: JsonObject): RoutingRule {
  const bits = rule.srclen;
  const priority = rule.priority;
  return {
    priority: typeof priority === 'number' ? priority : 0,
    from: `${textOf(rule.src)}/${typeof bits === 'number' ? bits : 32}`,
  };
}

function isRootTbf({ kind, root }: JsonObject): boolean {
  return kind === 'tbf' && root === true;
}

function rateOf(qdisc: JsonObject): number {
  const rate = member(qdisc.options, 'rate');
  return typeof rate === 'number' ? rate : 0;
}
