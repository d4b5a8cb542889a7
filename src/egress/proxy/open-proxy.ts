import type { SecureContext } from 'node:tls';
import type { Audit } from '../audit.ts';
import { openForward } from '../dns/forward.ts';
import { GuestDns } from '../dns/guest-dns.ts';
import type { Names } from '../dns/guest-dns.ts';
import { openNameServers } from '../dns/name-servers.ts';
import { openDnsOverUdp } from '../dns/serve-dns.ts';
import type { ListenerPorts } from '../../machine/egress.ts';
import type { Policy } from '../policy.ts';
import type { Authority, Policies, Resolve } from '../ports.ts';
import { Admission } from './admission.ts';
import { openDial } from './dial.ts';
import type { Guest, Parts } from './guest.ts';
import { openGuest } from './guest.ts';
import { openHttp1Server } from './http1-server.ts';
import { LIMITS } from './limits.ts';
import type { Limits } from './limits.ts';
import { openListeners } from './listeners.ts';
import type { Listeners } from './listeners.ts';
import { publicAddressGuard } from './public-address.ts';
import { openResolve } from './resolve.ts';
import { loadTrustStore } from './trust-store.ts';

export type ProxyOptions = {
  readonly policies: Policies;
  readonly authority: Authority;
  readonly audit: Audit;
  readonly resolve?: Resolve;
  /** How guests' own questions are answered; by the host's name servers when left out. */
  readonly names?: Pick<Names, 'forward' | 'hosts'>;
  /** What upstream certificates are verified against; the host's own bundle when left out. */
  readonly trustStore?: SecureContext;
  readonly now?: () => number;
  readonly limits?: Partial<Limits>;
  /** Tests alone have reason to allow others. */
  readonly isPublicAddress?: (address: string) => boolean;
};

/** The listeners of all instances. */
export type Proxy = {
  /** Repeatable: the same gateway keeps its ports. Until the policy is also in force, nothing gets through. */
  listen(policy: Policy): Promise<ListenerPorts>;
  /** Closes the listeners of an instance and all that came through them. Absent is dropped already. */
  drop(instance: string): Promise<void>;
  close(): Promise<void>;
};

type Standing = { readonly guest: Guest; readonly gateway: string; readonly listeners: Listeners };

export async function openProxy(options: ProxyOptions): Promise<Proxy> {
  const parts = await partsOf(options);
  const names = namesOf(options);
  const standing = new Map<string, Standing>();
  parts.policies.onChange((instance, before, after) => {
    const guest = standing.get(instance)?.guest;
    // Connections that were made under another address belong to whoever had it then.
    if (before?.gateway !== after?.gateway) guest?.work.apply(undefined);
    else guest?.work.apply(after);
  });
  const drop = async (instance: string): Promise<void> => {
    const dropped = standing.get(instance);
    standing.delete(instance);
    if (dropped === undefined) return;
    dropped.guest.work.apply(undefined);
    dropped.guest.http1.close();
    dropped.guest.http2.close();
    await dropped.listeners.close();
  };
  return {
    listen: async (policy) => {
      const known = standing.get(policy.instance);
      if (known?.gateway === policy.gateway) return known.listeners.ports;
      await drop(policy.instance);
      const guest = openGuest(policy.instance, parts);
      const dns = new GuestDns(guest, names);
      const admission = new Admission(guest, dns);
      const listeners = await openListeners(policy.gateway, {
        accept: (way, socket) => {
          admission.accept(way, socket);
        },
        bindUdp: (port) => openDnsOverUdp(policy.gateway, port, { guest, dns }),
      });
      standing.set(policy.instance, { guest, gateway: policy.gateway, listeners });
      return listeners.ports;
    },
    drop,
    close: async () => {
      await Promise.all([...standing.keys()].map(drop));
      parts.http1Server.close();
    },
  };
}

function namesOf({ names, isPublicAddress = publicAddressGuard() }: ProxyOptions): Names {
  return { forward: openForward(openNameServers([])), hosts: new Map(), ...names, isPublicAddress };
}

async function partsOf(options: ProxyOptions): Promise<Parts> {
  const limits = { ...LIMITS, ...options.limits };
  const now = options.now ?? Date.now;
  const dial = openDial({
    resolve: options.resolve ?? openResolve(now),
    isPublicAddress: options.isPublicAddress ?? publicAddressGuard(),
    trustStore: options.trustStore ?? (await loadTrustStore()),
    dialMs: limits.dialMs,
  });
  const { policies, authority, audit } = options;
  return { policies, authority, audit, dial, limits, now, http1Server: openHttp1Server(limits) };
}
