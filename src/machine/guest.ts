import type { GuestTrust } from './egress.ts';

/**
 * What init last said over the control channel. `silent` covers "not connected yet" and "has not
 * spoken yet". A guest is hostile: every word here may be a lie about itself, and about itself only.
 */
export type GuestState =
  | { readonly state: 'silent' }
  | { readonly state: 'booting' }
  | {
      readonly state: 'started';
      readonly startedAt: number;
      readonly agentReady: boolean;
      /** Absent: an init that does not speak of it. */
      readonly trust?: GuestTrust;
    }
  | { readonly state: 'exited'; readonly exit: ProgramExit };

/**
 * How the program ended. 128+n for signal n; 126 and 127 as a shell has them; 125 when init could
 * not get as far as the program. `code` is absent when the guest powered off without saying one.
 */
export type ProgramExit = { readonly code?: number; readonly message: string };
