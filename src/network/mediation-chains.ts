import { PROXY_PORT } from '../machine/egress.ts';
import { MAY_LEAVE, PROXIED_MARK } from './policy.ts';
import type { Chain, Policy } from './policy.ts';

/**
 * Never left for past the proxy: private and shared addresses, loopback, link-local with most clouds' metadata
 * services, benchmarks, multicast and reserved (RFC 6890), and Azure's metadata service, which has a public one.
 */
const NOT_PUBLIC = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '168.63.129.16', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/3'],
];

/**
 * HTTP and HTTPS with QUIC, and every way of asking for names (RFC 1035, 7858, 9250): the proxy's alone. A named set,
 * because nft prints an unnamed one of these so that it cannot read it again.
 */
export const PROXYS_PORTS =
  'set proxys_ports { type inet_service; flags constant; elements = { 53, 80, 443, 853 }; }';

/**
 * Where the guests' verdict maps send to. `unmediated` and the chains of the modes judge where each packet is sent
 * to, and say of it that it may leave or that it is for the proxy; `refused` and `direct` judge once more what is
 * forwarded, in both directions and by what the connection was begun for: so whatever was open before mediation ends
 * on both sides, and the loss of one map opens nothing.
 */
export function mediationChains({ subnet, gateway, resolvers }: Policy): readonly Chain[] {
  const forProxy = `meta mark set meta mark or ${PROXIED_MARK} accept`;
  const dns = `ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 ${MAY_LEAVE} accept`;
  return [
    {
      name: 'proxied',
      lines: [
        `tcp dport { 80, 443 } ${forProxy}`,
        `ip daddr ${gateway} tcp dport { 53, ${PROXY_PORT} } ${forProxy}`,
        `ip daddr ${gateway} udp dport 53 ${forProxy}`,
        `ip daddr { ${subnet}, 169.254.0.0/16 } goto refused`,
        'fib daddr type != unicast goto refused',
      ],
    },
    { name: 'mode_all', lines: ['jump proxied', 'goto refused'] },
    { name: 'mode_http_https_only', lines: ['jump proxied', 'jump direct', MAY_LEAVE] },
    {
      name: 'mode_offered',
      lines: [`ip daddr ${gateway} tcp dport ${PROXY_PORT} ${forProxy}`, 'goto unmediated'],
    },
    {
      name: 'unmediated',
      lines: [
        ...(resolvers.length === 0 ? [] : [dns]),
        `ip daddr { ${subnet}, 169.254.0.0/16 } drop`,
        'fib daddr type != unicast drop',
        MAY_LEAVE,
      ],
    },
    {
      name: 'direct',
      lines: [
        // What goes direct is other ports, and an answer to ping: a tunnel has every port in it.
        'meta l4proto != { tcp, udp, icmp } goto refused',
        'icmp type != echo-request ct state new goto refused',
        'meta l4proto { tcp, udp } ct original proto-dst @proxys_ports goto refused',
        // The address behind anybody's DNAT, not the one that the guest wrote.
        `ct reply ip saddr { ${NOT_PUBLIC.join(', ')} } goto refused`,
      ],
    },
    {
      name: 'refused',
      lines: [
        'meta l4proto tcp reject with tcp reset',
        'meta l4proto udp reject with icmp type admin-prohibited',
        'drop',
      ],
    },
  ];
}
