import { PROXY_PORT } from '../machine/egress.ts';
import type { EgressMode, ListenerPorts, Mediation } from '../machine/egress.ts';

/** One guest as the guard knows it; without mediation the proxy is none of its business. */
export type Guest = {
  readonly tap: string;
  readonly mac: string;
  readonly ip: string;
  readonly mediation?: Mediation;
};

/** One element of one of our sets and maps, as nft reads it: `"hm-x" . 443 : 20001`. */
export type Element = { readonly family: Family; readonly set: string; readonly text: string };

export const FAMILIES = ['netdev', 'inet'] as const;
export type Family = (typeof FAMILIES)[number];

/** What a guest sent there goes to this listener of its own. */
const PORT_OF: Readonly<Record<keyof ListenerPorts, number>> = {
  explicit: PROXY_PORT,
  tls: 443,
  http: 80,
  dns: 53,
};
const LISTENERS = ['explicit', 'tls', 'http', 'dns'] as const;

/** Chains (chains.ts) that judge where a guest sends to, and what is forwarded from or to it. */
const CHAINS_OF: Readonly<
  Record<EgressMode | 'none', { readonly mediation: string; readonly departures?: string }>
> = {
  all: { mediation: 'goto mode_all', departures: 'goto refused' },
  http_https_only: { mediation: 'goto mode_http_https_only', departures: 'jump direct' },
  offered: { mediation: 'goto mode_offered' },
  none: { mediation: 'goto unmediated' },
};
const MODES = ['all', 'http_https_only', 'offered'] as const;

/** The sets and maps that hold elements of guests, with their types. */
export const SETS: Readonly<Record<Family, Readonly<Record<string, string>>>> = {
  netdev: { guests: 'set guests { type ifname . ether_addr . ipv4_addr; }' },
  inet: {
    guests: 'set guests { type ifname . ether_addr . ipv4_addr; }',
    mediation: 'map mediation { type ifname : verdict; }',
    departures: 'map departures { type ifname : verdict; }',
    listeners: 'map listeners { type ifname . inet_service : inet_service; }',
    doors: 'set doors { type ifname . inet_service . inet_service; }',
  },
};

/** Everything of one guest: the same number, however many there are. */
export function elementsOf({ tap, mac, ip, mediation }: Guest): readonly Element[] {
  return [
    ...FAMILIES.map((family) => ({ family, set: 'guests', text: `"${tap}" . ${mac} . ${ip}` })),
    ...mediationElements(tap, mediation),
  ];
}

function mediationElements(tap: string, wanted: Mediation | undefined): readonly Element[] {
  const { mediation, departures } = CHAINS_OF[wanted?.mode ?? 'none'];
  const ports = wanted?.ports;
  const inet = (set: string, text: string): Element => ({ family: 'inet', set, text: `"${tap}" ${text}` });
  return [
    inet('mediation', `: ${mediation}`),
    ...(departures === undefined ? [] : [inet('departures', `: ${departures}`)]),
    ...(ports === undefined
      ? []
      : LISTENERS.flatMap((name) => [
          inet('listeners', `. ${PORT_OF[name]} : ${ports[name]}`),
          inet('doors', `. ${PORT_OF[name]} . ${ports[name]}`),
        ])),
  ];
}

/**
 * Whose elements these are, read back. When they are not all that belongs to one mode and no more, it is the
 * mode `all` without a proxy: what is broken must not be more open than it was.
 */
export function guestOfElements(elements: readonly Element[]): Guest | undefined {
  const texts = (set: string): readonly string[] =>
    elements.flatMap((one) => (one.set === set ? [one.text] : []));
  const [tap, mac, ip] = texts('guests')[0]?.split(' . ') ?? [];
  if (tap === undefined || mac === undefined || ip === undefined) return undefined;
  const guest = { tap: tap.slice(1, -1), mac, ip };
  if (isAllOf(guest, elements)) return guest;
  const ports = portsIn(texts('listeners'));
  const candidates = MODES.map((mode) => ({
    ...guest,
    mediation: { mode, ...(ports === undefined ? {} : { ports }) },
  }));
  const shut: Guest = { ...guest, mediation: { mode: 'all' } };
  return candidates.find((one) => isAllOf(one, elements)) ?? shut;
}

/** True when these are the elements of this guest, all of them and no others. */
export function isAllOf(guest: Guest, elements: readonly Element[]): boolean {
  const wanted = new Set(elementsOf(guest).map(nameOf));
  return elements.length === wanted.size && elements.every((one) => wanted.has(nameOf(one)));
}

/** Tells two elements apart. */
export function nameOf({ family, set, text }: Element): string {
  return `${family} ${set} ${text}`;
}

function portsIn(listeners: readonly string[]): ListenerPorts | undefined {
  const found = new Map(
    listeners.map((text) => {
      const [asked, listener] = text.slice(text.indexOf(' . ') + 3).split(' : ');
      return [Number(asked), Number(listener)];
    }),
  );
  const [explicit, tls, http, dns] = LISTENERS.map((name) => found.get(PORT_OF[name]));
  if (explicit === undefined || tls === undefined || http === undefined || dns === undefined)
    return undefined;
  return { explicit, tls, http, dns };
}
