/** What is the same for every guest of this installation. */
export type Policy = {
  /** See `installationTag`: two installations on one host have a table each. */
  readonly tag: string;
  readonly subnet: string;
  readonly gateway: string;
  /** Where questions to the gateway's port 53 go; empty: nowhere. */
  readonly resolvers: readonly string[];
};

/** One chain as nft reads it. */
export type Chain = { readonly name: string; readonly lines: readonly string[] };

/** Said by the table of each packet that a guest may send; without it the pool is not routed (routing.ts). */
export const GUEST_MARK = '0x1000';

/** The words that say it. */
export const MAY_LEAVE = `meta mark set meta mark or ${GUEST_MARK}`;

/** Said of each packet that only the proxy may have: it is redirected, or else refused. */
export const PROXIED_MARK = '0x2000';
