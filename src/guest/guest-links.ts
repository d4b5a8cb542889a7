import type { Duplex } from 'node:stream';
import type { Authority } from '../machine/egress.ts';
import type { GuestIdentity, GuestState } from '../machine/guest.ts';
import type { InstanceId } from '../machine/ids.ts';

/** A program run in the guest by `exec`. Closing `stdin` is an end of file for it. */
export type ExecSession = {
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  resize(columns: number, rows: number): void;
  kill(signal: number): void;
  /** 128+n for a signal. Rejects with `GuestGone` when the connection ends first. */
  readonly exitCode: Promise<number>;
};

export type ExecRequest = {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly terminal?: { readonly columns: number; readonly rows: number };
};

export type GuestStat = {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly mode: number;
  readonly size: number;
  readonly modifiedAt: number;
};

/** How long a guest stands still for a host that does not let it go (LASTS_MS in init/hold.c). */
export const HOLD_LASTS_MS = 30_000;

/** What time and chance are in the guest from now on. */
export type Refresh = {
  readonly epochMs: number;
  /** 1 to 512 bytes, of no other guest. */
  readonly entropy: Uint8Array;
};

/**
 * The control channels of all running guests. One connection per guest, kept open, made again when
 * it breaks. Whatever a guest sends can only end its own connection: frames and queues are bounded.
 */
export type GuestLinks = {
  /** Connects, or keeps the connection there is, and says what the guest last told. */
  look(id: InstanceId, socketPath: string): GuestState;
  /** What the guest said last, without a connection: its VMM may be gone. `silent` after a `drop`. */
  lastTold(id: InstanceId): GuestState;
  /** Forgets the guest and closes its connection: its VMM is gone. */
  drop(id: InstanceId): void;
  /** The exit is on disk: init may power off. */
  acknowledgeExit(id: InstanceId): void;
  /** Asks init to end the program with its stop signal, to kill it after `graceMs`, and to power off. */
  shutdown(id: InstanceId, graceMs: number): void;
  /** Has init install this CA where programs look for one; the outcome is in its state, by fingerprint. */
  trustAuthority(id: InstanceId, authority: Authority): void;
  /**
   * Has the guest's programs stand still, so that none of them runs in a copy before the copy has an identity of its
   * own. The outcome is in its state. `release`, `identify` and `shutdown` end it; and for a guest that is no copy,
   * so that it does not stand still for a controller that died, `HOLD_LASTS_MS` where its hypervisor tells it its name.
   */
  hold(id: InstanceId): void;
  /**
   * For how long its programs stand still, at the most; undefined when they do not, when nobody here made them, and
   * when they were let go, whether they heard it or not.
   */
  heldForMs(id: InstanceId): number | undefined;
  /** Lets programs go on that `hold` stopped, as who they are. */
  release(id: InstanceId): void;
  /**
   * Has init make its guest this one while programs stand still, and then lets them go on. The outcome is in its
   * state: `identity` is the id once address, MAC and routes are its own; until then there is no network, and what
   * was held stays so. Said again with the same words it changes nothing, or tries what was refused.
   */
  identify(id: InstanceId, identity: GuestIdentity, refresh: Refresh): void;
  /** These two have no outcome in its state, hence the answer: false when nobody listened and nothing was said. */
  setClock(id: InstanceId, epochMs: number): boolean;
  reseed(id: InstanceId, entropy: Uint8Array): boolean;
  /** These four throw `GuestUnreachable`, or `AgentSkipped` where skipGuestAgent was asked for. */
  exec(id: InstanceId, request: ExecRequest): Promise<ExecSession>;
  stat(id: InstanceId, path: string): Promise<GuestStat | undefined>;
  /** Reads one file, or writes one whole: the stream's end is the file's end. */
  read(id: InstanceId, path: string): Promise<NodeJS.ReadableStream>;
  write(id: InstanceId, path: string, mode: number, content: NodeJS.ReadableStream): Promise<void>;
  close(): void;
};

/** Told when what `look` would say has changed. */
export type GuestListener = (id: InstanceId) => void;

/** How a link gets its byte stream; a test passes a pair of sockets. */
export type GuestConnector = (socketPath: string) => Promise<Duplex>;
