/** What was decided about one request or connection. No value of a secret ever is part of it. */
export type Decision = {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly instance: string;
  readonly key: string;
  readonly host: string;
  readonly way: 'explicit' | 'tls' | 'http' | 'dns';
  readonly verdict: 'injected' | 'forwarded' | 'spliced' | 'refused' | 'failed';
  /** CamelCase: `HostMismatch`, `PrivateAddress`, `MintLimited`, `UpstreamCertificate`, ... */
  readonly reason: string;
  /**
   * The credentials that were used, by name. `PlaceholderLeak` names those whose placeholder went where no rule
   * replaces it, beside the decision about the request itself.
   */
  readonly credentials: readonly string[];
};

export type Audit = {
  decided(decision: Decision): void;
  /** A question of DNS had its answer: only counted, where a refusal is decided. */
  resolved(instance: string): void;
};
