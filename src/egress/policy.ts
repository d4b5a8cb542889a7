import type { EgressMode } from '../machine/egress.ts';
import type { Secret } from '../secrets/secret.ts';

/** `api.openai.com`, an address, or `*.openai.com` (one more label, never the apex); empty hosts mean every destination. */
export type HostPattern = string;

/** The permission to use one credential for some hosts, in one header. */
export type Grant = {
  /** The credential's name: what status, audit and metrics call it. */
  readonly credential: string;
  /** The variable of the declaration that holds the value: of another one, a value of before is not kept. */
  readonly sourceEnv: string;
  readonly hosts: readonly HostPattern[];
  /** Lower case. */
  readonly header: string;
  /** Holds `${value}` at least once; every occurrence is replaced, literally. */
  readonly format: string;
  /** `placeholder` sets the header only where the guest sent the placeholder in it. */
  readonly when: 'always' | 'placeholder';
  /** `mock-NAME` */
  readonly placeholder: string;
  /**
   * Absent: it cannot be had now. Put like this, what is in force for the credential goes on where it was allowed
   * (`withKeptValues`); what is left without one refuses the requests that need it.
   */
  readonly value?: Secret;
};

/** Everything the egress process knows of one instance. Swapped whole, applied to the next request. */
export type Policy = {
  readonly instance: string;
  /** `namespace/name`, for the audit trail. */
  readonly key: string;
  /** The only source address that is served on this instance's listeners. */
  readonly guest: string;
  /** Where its listeners are bound: the gateway's address. */
  readonly gateway: string;
  readonly mode: EgressMode;
  /** Of the declaration; told back in the acknowledgement. */
  readonly generation: number;
  readonly grants: readonly Grant[];
};
