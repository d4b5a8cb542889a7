import { HypemanError, messageOf } from '../../errors.ts';
import { fail, ok, warn } from './check.ts';
import type { Check } from './check.ts';

/** Whether nft and the kernel take the very rules of the guard; read and judged, never applied (nft -c). */
export function nftCheck(ruleset: string): Check {
  return {
    name: 'nftables',
    look: async ({ run }) => {
      const fix =
        'apt-get install nftables, as root, on a kernel with nf_tables (modprobe nf_tables nft_ct nft_masq nft_nat nft_reject_inet)';
      try {
        const { exitCode, stderr } = await run('nft', ['-c', '-f', '-'], ruleset);
        if (exitCode === 0) return ok("the kernel takes the guests' rules (tried without applying them)");
        return fail(`nft refuses the guests' rules: ${stderr.trim().split('\n')[0] ?? ''}`, fix);
      } catch (error) {
        return fail(messageOf(error), fix);
      }
    },
  };
}

export const forwardingCheck: Check = {
  name: 'ip_forward',
  look: async ({ read }) => {
    const value = (await read('/proc/sys/net/ipv4/ip_forward'))?.trim();
    if (value === '1') return ok('IPv4 forwarding is on');
    return warn(
      'IPv4 forwarding is off: guests reach nothing until the controller has turned it on',
      'sysctl -w net.ipv4.ip_forward=1',
    );
  },
};

/** `refuseClash` throws `AddressClash` where the network is taken. */
export function subnetCheck(subnet: string, refuseClash: () => Promise<void>): Check {
  return {
    name: 'subnet',
    look: async () => {
      try {
        await refuseClash();
        return ok(`nothing on this host uses ${subnet}`);
      } catch (error) {
        if (!(error instanceof HypemanError) || error.reason !== 'AddressClash') throw error;
        return fail(error.message, 'choose a free network with run --subnet CIDR');
      }
    },
  };
}

/** Settings and rules of others that keep guests from the network: theirs win over our accept. */
export function othersCheck(problems: () => Promise<readonly string[]>): Check {
  return {
    name: 'other rules',
    look: async () => {
      const found = await problems();
      if (found.length === 0) return ok("no other rule of this host stops the guests' packets");
      return warn(found.join('; '), 'change what is named there; no rule of ours can overrule it');
    },
  };
}

/** Where guests' questions go: the name servers of this host. */
export function nameServerCheck(resolvers: () => Promise<readonly string[]>): Check {
  return {
    name: 'name servers',
    look: async () => {
      const found = await resolvers();
      if (found.length > 0) return ok(`guests ask ${found.join(', ')}`);
      return warn(
        'this host has no IPv4 name server that a guest could be sent to',
        'name one with run --dns ADDRESS',
      );
    },
  };
}
