import type { InstanceId, InstanceKey } from './ids.ts';

/** The port on the gateway that guests know as their HTTP proxy, whatever port the proxy has at the moment. */
export const PROXY_PORT = 3128;

/**
 * What may leave past the proxy. `all`: nothing. `http_https_only`: everything but HTTP and HTTPS, to public
 * addresses. `offered`: the proxy answers who asks it, and nobody has to: what is left for a guest that was
 * started with proxy variables when mediation is switched off under it.
 */
export type EgressMode = 'all' | 'http_https_only' | 'offered';

/** The ports on the gateway that belong to one instance alone. They change when the proxy's process is replaced. */
export type ListenerPorts = {
  /** HTTP proxy: CONNECT and absolute-form. */
  readonly explicit: number;
  /** Redirected TCP 443: the ClientHello tells the host. */
  readonly tls: number;
  /** Redirected TCP 80: the Host header tells it. */
  readonly http: number;
  /** Redirected port 53, UDP and TCP. */
  readonly dns: number;
};

/** How the guard sends a guest to the proxy. Without ports there is no proxy now: what it would get is refused. */
export type Mediation = { readonly mode: EgressMode; readonly ports?: ListenerPorts };

/** A permission to use one credential, but for the value. */
export type GrantShape = {
  /** The credential's name: what status, audit and metrics call it. */
  readonly credential: string;
  /** The variable of the declared environment that holds the value; the guest never has it. */
  readonly sourceEnv: string;
  /** Empty means every destination. */
  readonly hosts: readonly string[];
  /** Lower case. */
  readonly header: string;
  readonly format: string;
  readonly when: 'always' | 'placeholder';
  readonly placeholder: string;
};

/** A policy of the egress proxy, but for the values of its secrets. */
export type PolicyShape = {
  readonly instance: InstanceId;
  readonly key: InstanceKey;
  /** The only source address that is served. */
  readonly guest: string;
  /** Where the listeners are bound. */
  readonly gateway: string;
  readonly mode: EgressMode;
  readonly generation: number;
  readonly grants: readonly GrantShape[];
};

/** The CA whose leaves the guest is shown; `fingerprint` is its SHA-256 in lower-case hex (RFC 5280 certificate, DER). */
export type Authority = { readonly certificate: string; readonly fingerprint: string };

/** What the egress proxy holds for one instance now, by its own last word. */
export type EgressState = {
  /** Why there is no proxy to talk to. */
  readonly problem?: string;
  readonly policy:
    | { readonly state: 'absent' }
    | {
        readonly state: 'in-force';
        /** Tells whether all of it is current, values included; a keyed digest. */
        readonly revision: string;
        readonly ports: ListenerPorts;
        readonly authority: Authority;
        /** Credentials that some request is refused for, because the proxy has no value for it. */
        readonly lacking?: readonly string[];
      };
};

/** What became of the CA in the guest, in init's own words. */
export type GuestTrust =
  | { readonly state: 'none' }
  | { readonly state: 'installed'; readonly fingerprint: string }
  | { readonly state: 'failed'; readonly fingerprint: string; readonly message: string };
