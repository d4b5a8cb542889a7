import { HypemanError, messageOf } from '../../errors.ts';
import { TAP_PREFIX } from '../../machine/ids.ts';
import { fail, ok, warn } from './check.ts';
import type { Check, HostProbe } from './check.ts';

/** Every kind of expression that our own ruleset is made of; checked by nft and the kernel, never applied. */
const SCRATCH_RULESET = `table inet hypeman_doctor {
  map guests { type ifname . ipv4_addr : verdict; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname . ip saddr vmap @guests
    ct state established,related accept
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 192.0.2.0/24 masquerade
  }
}
`;

export const nftCheck: Check = {
  name: 'nftables',
  look: async ({ run }) => {
    const fix = 'apt-get install nftables, as root, on a kernel with nf_tables (modprobe nf_tables nft_masq)';
    try {
      const { exitCode, stderr } = await run('nft', ['-c', '-f', '-'], SCRATCH_RULESET);
      if (exitCode === 0) return ok('the kernel takes rules such as ours (tried without applying them)');
      return fail(`nft refuses our kind of rules: ${stderr.trim().split('\n')[0] ?? ''}`, fix);
    } catch (error) {
      return fail(messageOf(error), fix);
    }
  },
};

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

/** Routes to our own guests lie in the pool; anybody else's must not. */
export function subnetCheck(subnet: string): Check {
  return {
    name: 'subnet',
    look: async (host) => {
      const clash = (await routesOf(host)).find(
        ({ dst, dev }) => !dev.startsWith(TAP_PREFIX) && overlaps(subnet, dst),
      );
      if (clash === undefined) return ok(`nothing on this host uses ${subnet}`);
      return fail(
        `the route to ${clash.dst} over ${clash.dev} lies in the guests' ${subnet}`,
        'choose a free network with run --subnet CIDR',
      );
    },
  };
}

type Route = { readonly dst: string; readonly dev: string };

async function routesOf({ run }: HostProbe): Promise<readonly Route[]> {
  const { exitCode, stdout } = await run('ip', ['-4', 'route', 'show', 'table', 'all']);
  if (exitCode !== 0)
    throw new HypemanError('transient', 'RoutesUnknown', 'ip cannot list the routes of this host');
  return stdout.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const dst = words.find((word) => /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(word));
    const dev = words[words.indexOf('dev') + 1];
    return dst === undefined || dev === undefined || words[0] === 'default' ? [] : [{ dst, dev }];
  });
}

function overlaps(one: string, other: string): boolean {
  const [from, to] = rangeOf(one);
  const [otherFrom, otherTo] = rangeOf(other);
  return from <= otherTo && otherFrom <= to;
}

/** The first and the last address of a network as numbers; a bare address is a network of one. */
function rangeOf(cidr: string): readonly [from: number, to: number] {
  const [address = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const from = Math.floor(number / size) * size;
  return [from, from + size - 1];
}

/** Where guests' questions go: the host's own name servers, as resolv.conf or systemd-resolved has them. */
export const nameServerCheck: Check = {
  name: 'name servers',
  look: async ({ read }) => {
    for (const path of ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf']) {
      const servers = [...((await read(path)) ?? '').matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)];
      const outside = servers
        .map(([, address = '']) => address)
        .filter((address) => !address.startsWith('127.'));
      if (outside.length > 0) return ok(`guests ask ${outside.join(', ')} (${path})`);
    }
    return warn(
      'this host has no IPv4 name server that a guest could be sent to',
      'name one with run --dns ADDRESS',
    );
  },
};
