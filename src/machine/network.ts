import type { Mediation } from './egress.ts';
import type { TapName } from './ids.ts';

export type NetworkState = {
  readonly tap: { readonly state: 'absent' } | { readonly state: 'up'; readonly name: TapName };
  readonly guard: { readonly state: 'open' } | { readonly state: 'guarded'; readonly mediation?: Mediation };
  readonly shaping: Shaping;
};

/** Bytes per second each way, as the guest sees it. */
export type Shaping = { readonly downloadBps?: number; readonly uploadBps?: number };
