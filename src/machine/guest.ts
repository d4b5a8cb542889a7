import type { Authority, GuestTrust } from './egress.ts';
import type { InstanceId } from './ids.ts';

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
      /** Whose identity it has. Absent: it failed to get one and has no network, or its init does not speak of it. */
      readonly identity?: InstanceId;
      /** What the guest refused of the last hold or identity. */
      readonly identityProblem?: string;
      /** Its programs stand still. */
      readonly held?: true;
    }
  | { readonly state: 'exited'; readonly exit: ProgramExit };

/** Who a guest is to be, when it is not who it was booted as. */
export type GuestIdentity = {
  readonly hostname: string;
  /** Absent: no network. */
  readonly network?: { readonly ip: string; readonly gateway: string; readonly mac: string };
  /** 32 hex digits, written where the image has one. */
  readonly machineId: string;
  /** Absent: no CA of an egress proxy is trusted any more. */
  readonly authority?: Authority;
};

/**
 * How the program ended. 128+n for signal n; 126 and 127 as a shell has them; 125 when init could
 * not get as far as the program. `code` is absent when the guest powered off without saying one.
 */
export type ProgramExit = { readonly code?: number; readonly message: string };
