import type { SecureContext } from 'node:tls';
import type { Policy } from './policy.ts';

/** Policies in force. A lookup per request, never one that is kept: a swap applies to open connections. */
export type Policies = {
  of(instance: string): Policy | undefined;
  /** Called after each swap or removal with what was in force before; open streams that lost their grant are closed. */
  onChange(listener: (instance: string, before: Policy | undefined, after: Policy | undefined) => void): void;
};

/** Certificates that an instance's guest trusts: one CA per instance, leaves that name one host. */
export type Authority = {
  /**
   * A secure context with a leaf for exactly this host, minted when there is none in the instance's own
   * bounded cache, renewed at two thirds of its life. Throws `MintLimited` past the instance's rate.
   */
  contextFor(instance: string, host: string): SecureContext;
  /** PEM of the instance's CA certificate, for the guest. */
  certificateOf(instance: string): string;
};

/** Resolves a name to every address it has; the proxy checks all of them and dials one it checked. */
export type Resolve = (name: string) => Promise<readonly string[]>;
