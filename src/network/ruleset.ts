import { TAP_PREFIX } from '../machine/ids.ts';

/** One guest as the guard knows it. */
export type Guest = { readonly tap: string; readonly mac: string; readonly ip: string };

/** What is the same for every guest of this installation. */
export type Policy = {
  /** See `installationTag`: two installations on one host have a table each. */
  readonly tag: string;
  readonly subnet: string;
  readonly gateway: string;
  /** Where questions to the gateway's port 53 go; empty: nowhere. */
  readonly resolvers: readonly string[];
};

/** Said by the table of each packet that a guest may send; without it the pool is not routed (routing.ts). */
export const GUEST_MARK = '0x1000';

/** Without the family, which is both `netdev` (at the taps) and `inet` (everything behind them). */
export function tableFor(tag: string): string {
  return `hypeman-${tag}`;
}

export const FAMILIES = ['netdev', 'inet'] as const;

function tablesFor(tag: string): readonly string[] {
  return FAMILIES.map((family) => `${family} ${tableFor(tag)}`);
}

/** Tap names of this installation, as an nftables wildcard. */
function tapsOf(tag: string): string {
  return `"${TAP_PREFIX}${tag}*"`;
}

/**
 * One transaction (nft -f): whatever our tables were, they are these afterwards, and no packet sees anything
 * between. Every device of `guests` must exist.
 */
export function wholeRuleset(policy: Policy, guests: readonly Guest[]): string {
  const { tag } = policy;
  return [
    removedTables(tag).trimEnd(),
    ...block(`netdev ${tableFor(tag)}`, [frames(policy)]),
    ...block(`inet ${tableFor(tag)}`, chainsOf(policy)),
    ...guests.map((guest) => admission(tag, guest)),
    '',
  ].join('\n');
}

/** Lets one guest in: its elements and the chain on its device. Safe to repeat; the device must exist. */
export function admission(tag: string, guest: Guest): string {
  const chain = `netdev ${tableFor(tag)} ${guest.tap}`;
  return [
    `add chain ${chain} { type filter hook ingress device "${guest.tap}" priority -500; policy drop; }`,
    `flush chain ${chain}`,
    `add rule ${chain} goto frames`,
    ...tablesFor(tag).map((table) => `add element ${table} guests { ${elementOf(guest)} }`),
  ].join('\n');
}

/** Takes guests out again. What is not there is added first, because deleting nothing is an error. */
export function dismissal(tag: string, guests: readonly Guest[], chains: readonly string[]): string {
  const elements = [...new Set(guests.map(elementOf))].join(', ');
  return [
    ...tablesFor(tag).flatMap((table) =>
      guests.length === 0
        ? []
        : ['add', 'delete'].map((verb) => `${verb} element ${table} guests { ${elements} }`),
    ),
    ...chains.flatMap((chain) =>
      ['add', 'flush', 'delete'].map((verb) => `${verb} chain netdev ${tableFor(tag)} ${chain}`),
    ),
    '',
  ].join('\n');
}

/** No guest is left: nothing of ours is, either. `destroy` is newer than Debian 12's nft. */
export function removedTables(tag: string): string {
  return tablesFor(tag)
    .map((table) => `add table ${table}\ndelete table ${table}\n`)
    .join('');
}

function block(table: string, chains: readonly Chain[]): readonly string[] {
  return [
    `table ${table} {`,
    '  set guests { type ifname . ether_addr . ipv4_addr; }',
    ...chains.flatMap(({ name, lines }) => [
      `  chain ${name} {`,
      ...lines.map((line) => `    ${line}`),
      '  }',
    ]),
    '}',
  ];
}

function elementOf({ tap, mac, ip }: Guest): string {
  return `"${tap}" . ${mac} . ${ip}`;
}

type Chain = { readonly name: string; readonly lines: readonly string[] };

function chainsOf(policy: Policy): readonly Chain[] {
  const taps = tapsOf(policy.tag);
  return [addresses(taps), targets(policy, taps), ...names(policy, taps)].concat([
    toHost(policy, taps),
    routed(taps),
    leaving(policy),
  ]);
}

/**
 * What may come out of a tap. In the family netdev, because `inet` lets everything but IP pass its ingress hook
 * unseen (nft_chain_filter.c). `ether type` and not just `ip saddr`: a VLAN tag that the kernel took off is
 * part of the link header here (nft_payload.c), so a tagged frame is neither of the two.
 */
function frames({ gateway }: Policy): Chain {
  return {
    name: 'frames',
    lines: [
      'ether type ip iifname . ether saddr . ip saddr @guests accept',
      `ether type arp iifname . ether saddr . arp saddr ip @guests iifname . arp saddr ether . arp saddr ip @guests arp daddr ip ${gateway} accept`,
      'drop',
    ],
  };
}

/**
 * The same for IPv4 once more: a frame that mirred sent through an ifb (an upload limit) comes back behind
 * the ingress hook (net/core/dev.c, skip_classify) and would never be checked.
 */
function addresses(taps: string): Chain {
  return {
    name: 'addresses',
    lines: [
      'type filter hook prerouting priority raw; policy accept;',
      `iifname != ${taps} accept`,
      `iifname . ether saddr . ip saddr @guests meta mark set meta mark or ${GUEST_MARK} accept`,
      'drop',
    ],
  };
}

/**
 * Where a guest may send to, decided behind conntrack and before anybody's DNAT: a port that a container
 * engine publishes on the host's address is the host's, too. Direction, not state: a flow that slipped in
 * while somebody had flushed the rules ends when they are back. Link-local is never routed (RFC 3927, 7).
 */
function targets({ subnet, gateway, resolvers }: Policy, taps: string): Chain {
  const dns = `ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 accept`;
  return {
    name: 'targets',
    lines: [
      'type filter hook prerouting priority mangle; policy accept;',
      `iifname != ${taps} accept`,
      'ct direction reply ct state established,related accept',
      `ip daddr ${gateway} icmp type echo-request accept`,
      ...(resolvers.length === 0 ? [] : [dns]),
      `ip daddr { ${subnet}, 169.254.0.0/16 } drop`,
      'fib daddr type != unicast drop',
    ],
  };
}

/** Questions to the gateway go to the host's own resolvers, in turn: also while no controller runs. */
function names({ gateway, resolvers }: Policy, taps: string): readonly Chain[] {
  if (resolvers.length === 0) return [];
  const turns = resolvers.map((resolver, turn) => `${turn} : ${resolver}`).join(', ');
  const to =
    resolvers.length === 1 ? resolvers.join('') : `numgen inc mod ${resolvers.length} map { ${turns} }`;
  return [
    {
      name: 'names',
      lines: [
        'type nat hook prerouting priority dstnat; policy accept;',
        `iifname ${taps} ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 dnat ip to ${to}`,
      ],
    },
  ];
}

/** The last door before the host's own sockets, whoever sent the packet here. */
function toHost({ gateway }: Policy, taps: string): Chain {
  return {
    name: 'host',
    lines: [
      'type filter hook input priority filter; policy accept;',
      `iifname != ${taps} accept`,
      'ct direction reply ct state established,related accept',
      `ct original ip daddr ${gateway} accept`,
      'drop',
    ],
  };
}

/**
 * In only as an answer: other guests, of another installation too, do not get in. Invalid packets would leave with the guest's own
 * address, because nothing translates them. The segment size follows the route: a guest's MTU is 1500.
 */
function routed(taps: string): Chain {
  return {
    name: 'routed',
    lines: [
      'type filter hook forward priority filter; policy accept;',
      `iifname ${taps} ct state invalid drop`,
      `iifname ${taps} tcp flags syn / syn,rst tcp option maxseg size set rt mtu`,
      `oifname ${taps} ct direction reply ct state established,related accept`,
      `oifname ${taps} drop`,
    ],
  };
}

function leaving({ subnet }: Policy): Chain {
  return {
    name: 'leaving',
    lines: [
      'type nat hook postrouting priority srcnat; policy accept;',
      `ip saddr ${subnet} meta mark & ${GUEST_MARK} != 0 oifname != "${TAP_PREFIX}*" masquerade`,
    ],
  };
}
