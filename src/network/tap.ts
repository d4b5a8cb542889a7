import type { Sysctls } from '../host/sysctl.ts';
import type { Identity } from '../machine/record.ts';

/** Marks our routes (`proto` in ip-route(8); any number that /etc/iproute2/rt_protos gives to nobody). */
export const ROUTE_PROTOCOL = '104';

/** `ip -batch`: the device, still down, for the VMM's user. QEMU asks for the vnet header by itself, as we do. */
export function tapCreation({ tap, owner }: Identity, gatewayMac: string): string {
  return [
    `tuntap add mode tap name ${tap} user ${owner.uid} vnet_hdr`,
    // The same on every tap: a guest that comes back from standby still knows its gateway's address.
    `link set dev ${tap} address ${gatewayMac} addrgenmode none`,
    '',
  ].join('\n');
}

/** Before the device is up. The kernel takes the larger of `all` and the device's own, so these only tighten. */
export function tapSysctls({ tap }: Identity): Sysctls {
  return {
    'net/ipv4/ip_forward': '1',
    [`net/ipv6/conf/${tap}/disable_ipv6`]: '1',
    [`net/ipv6/conf/${tap}/accept_ra`]: '0',
    [`net/ipv4/conf/${tap}/forwarding`]: '1',
    [`net/ipv4/conf/${tap}/rp_filter`]: '1',
    [`net/ipv4/conf/${tap}/proxy_arp`]: '0',
    [`net/ipv4/conf/${tap}/accept_local`]: '0',
    [`net/ipv4/conf/${tap}/accept_redirects`]: '0',
    [`net/ipv4/conf/${tap}/send_redirects`]: '0',
    [`net/ipv4/conf/${tap}/accept_source_route`]: '0',
    [`net/ipv4/conf/${tap}/route_localnet`]: '0',
    // Answer for the gateway only, and ask as the gateway only: no other address of the host shows.
    [`net/ipv4/conf/${tap}/arp_ignore`]: '1',
    [`net/ipv4/conf/${tap}/arp_announce`]: '2',
  };
}

/**
 * `ip -batch`: gateway and guest, on link. The guest is a permanent neighbour, so nobody is asked for it and
 * nobody else can answer. The route comes last: a tap with its route is a tap that is ready.
 */
export function tapAddressing({ tap, ip, gateway, mac }: Identity): string {
  return [
    `link set dev ${tap} up`,
    `address replace ${gateway}/32 dev ${tap}`,
    `neighbour replace ${ip} lladdr ${mac} dev ${tap} nud permanent`,
    `route replace ${ip}/32 dev ${tap} src ${gateway} proto ${ROUTE_PROTOCOL}`,
    '',
  ].join('\n');
}
