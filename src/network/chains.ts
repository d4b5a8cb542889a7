import { TAP_PREFIX } from '../machine/ids.ts';
import { mediationChains } from './mediation-chains.ts';
import { GUEST_MARK, MAY_LEAVE, PROXIED_MARK } from './policy.ts';
import type { Chain, Policy } from './policy.ts';

/** Tap names of this installation, as an nftables wildcard. */
function tapsOf(tag: string): string {
  return `"${TAP_PREFIX}${tag}*"`;
}

/** Those of the table in the family inet. */
export function chainsOf(policy: Policy): readonly Chain[] {
  const taps = tapsOf(policy.tag);
  return [
    addresses(taps),
    ...mediationChains(policy),
    targets(policy, taps),
    redirected(policy, taps),
    unanswered(taps),
    toHost(policy, taps),
    fromHost(taps),
    routed(taps),
    leaving(policy),
  ];
}

/**
 * What may come out of a tap. In the family netdev, because `inet` lets everything but IP pass its ingress hook
 * unseen (nft_chain_filter.c). `ether type` and not just `ip saddr`: a VLAN tag that the kernel took off is
 * part of the link header here (nft_payload.c), so a tagged frame is neither of the two.
 */
export function frames({ gateway }: Policy): Chain {
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
      'iifname . ether saddr . ip saddr @guests accept',
      'drop',
    ],
  };
}

/** A client resolves a page's names in bursts; nobody asks for a hundred names a second for long. */
const TOO_MANY_QUESTIONS = 'update @questions { ip saddr limit rate over 100/second burst 400 packets } drop';

/**
 * Where a guest may send to, decided behind conntrack and before anybody's DNAT: a port that a container
 * engine publishes on the host's address is the host's, too. Direction, not state: a flow that slipped in
 * while somebody had flushed the rules ends when they are back. Link-local is never routed (RFC 3927, 7). The mark
 * comes last: a packet for which the rules go away between two hooks has not got it and is not routed.
 * Everybody has an element, so that a miss is not taken for a guest without mediation.
 */
function targets({ gateway }: Policy, taps: string): Chain {
  return {
    name: 'targets',
    lines: [
      'type filter hook prerouting priority mangle; policy accept;',
      `iifname != ${taps} accept`,
      `ct direction reply ct state established,related ${MAY_LEAVE} accept`,
      `ip daddr ${gateway} icmp type echo-request accept`,
      `ip daddr ${gateway} udp dport 53 ${TOO_MANY_QUESTIONS}`,
      `ip daddr ${gateway} tcp dport 53 ct state new ${TOO_MANY_QUESTIONS}`,
      'iifname vmap @mediation',
      'drop',
    ],
  };
}

/**
 * To the guest's own listeners; the questions of the others go to the host's own resolvers, in turn: also while
 * no controller runs. Before everybody else's DNAT, because the first one decides.
 */
function redirected({ gateway, resolvers }: Policy, taps: string): Chain {
  const turns = resolvers.map((resolver, turn) => `${turn} : ${resolver}`).join(', ');
  const to =
    resolvers.length === 1 ? resolvers.join('') : `numgen inc mod ${resolvers.length} map { ${turns} }`;
  const names = `iifname ${taps} ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 dnat ip to ${to}`;
  return {
    name: 'redirected',
    lines: [
      'type nat hook prerouting priority dstnat - 10; policy accept;',
      `meta mark & ${PROXIED_MARK} != 0 iifname ${taps} meta l4proto { tcp, udp } dnat ip to ${gateway} : iifname . th dport map @listeners`,
      `meta mark & ${PROXIED_MARK} != 0 accept`,
      ...(resolvers.length === 0 ? [] : [names]),
    ],
  };
}

/**
 * What is for the proxy and was not redirected, or not by us, has no listener or belongs to a connection from
 * before. Told here, because without the mark to leave the routing would drop it without a word.
 */
function unanswered(taps: string): Chain {
  return {
    name: 'unanswered',
    lines: [
      'type filter hook prerouting priority dstnat + 10; policy accept;',
      `iifname ${taps} meta mark & ${PROXIED_MARK} != 0 fib daddr type != local goto refused`,
    ],
  };
}

/**
 * The last door before the host's own sockets, whoever sent the packet here. A listener is reached by its own
 * guest, and only through the port that leads there now: translations outlive the listener they were made for.
 */
function toHost({ gateway }: Policy, taps: string): Chain {
  return {
    name: 'host',
    lines: [
      'type filter hook input priority filter; policy accept;',
      `iifname != ${taps} iifname != "lo" ip daddr ${gateway} drop`,
      `iifname != ${taps} accept`,
      'ct direction reply ct state established,related accept',
      `ip daddr ${gateway} icmp type echo-request accept`,
      `meta mark & ${PROXIED_MARK} != 0 ip daddr ${gateway} meta l4proto { tcp, udp } iifname . ct original proto-dst . th dport @doors accept`,
      `meta mark & ${PROXIED_MARK} != 0 goto refused`,
      'iifname vmap @departures',
      // A resolver that is a program of this host.
      `ct original ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 accept`,
      'goto refused',
    ],
  };
}

/**
 * A connection that a guest opened to the host while the rules were flushed is unknown to conntrack: if the host
 * spoke first afterwards, it would count as the host's own and the guest's part as answers.
 */
function fromHost(taps: string): Chain {
  return {
    name: 'from_host',
    lines: [
      'type filter hook output priority filter; policy accept;',
      `oifname ${taps} ct state new tcp flags & (ack | rst) == ack drop`,
    ],
  };
}

/**
 * In only as an answer: other guests, of another installation too, do not get in. Invalid packets would leave
 * with the guest's own address, because nothing translates them. The segment size follows the route: a guest's
 * MTU is 1500.
 */
function routed(taps: string): Chain {
  return {
    name: 'routed',
    lines: [
      'type filter hook forward priority filter; policy accept;',
      `iifname ${taps} ct state invalid drop`,
      `iifname ${taps} tcp flags syn / syn,rst tcp option maxseg size set rt mtu`,
      `iifname ${taps} iifname vmap @departures`,
      `oifname ${taps} ct direction original drop`,
      `oifname ${taps} oifname vmap @departures`,
      `oifname ${taps} ct state established,related accept`,
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
