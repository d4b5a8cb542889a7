import type { GuestTrust } from '../machine/egress.ts';
import type { GuestState } from '../machine/guest.ts';
import type { GuestStat } from './guest-links.ts';

const HEAD_BYTES = 16;
const MESSAGE_BYTES = 512;
const FINGERPRINT_DIGITS = 64;
/** A restart of the clock's zero by less than this is jitter of the connection, not news. */
const JITTER_MS = 2000;

/** What a STATE frame says at `now`; undefined when it says nothing sensible. `before` keeps times steady. */
export function guestStateFrom(payload: Buffer, now: number, before: GuestState): GuestState | undefined {
  if (payload.length < HEAD_BYTES || payload.length > HEAD_BYTES + MESSAGE_BYTES) return undefined;
  switch (payload.readUInt8(0)) {
    case 0:
      return { state: 'booting' };
    case 1:
      return startedFrom(payload, now, before);
    case 2: {
      const message = printable(payload.subarray(HEAD_BYTES));
      const code = payload.readUInt32LE(4);
      return { state: 'exited', exit: payload[2] === 1 && code <= 255 ? { code, message } : { message } };
    }
    default:
      return undefined;
  }
}

function startedFrom(payload: Buffer, now: number, before: GuestState): GuestState | undefined {
  const elapsed = Number(payload.readBigUInt64LE(8));
  const told = Math.max(0, now - elapsed);
  const startedAt =
    before.state === 'started' && Math.abs(before.startedAt - told) < JITTER_MS ? before.startedAt : told;
  const started = { state: 'started', startedAt, agentReady: payload[1] === 1 } as const;
  if (payload[3] === 0) return started;
  const trust = trustFrom(payload.readUInt8(3), payload.subarray(HEAD_BYTES));
  return trust === undefined ? undefined : { ...started, trust };
}

function trustFrom(word: number, rest: Buffer): GuestTrust | undefined {
  if (word === 1) return rest.length === 0 ? { state: 'none' } : undefined;
  const fingerprint = rest.subarray(0, FINGERPRINT_DIGITS).toString('latin1');
  const message = printable(rest.subarray(FINGERPRINT_DIGITS));
  if (!/^[0-9a-f]{64}$/.test(fingerprint)) return undefined;
  if (word === 2) return rest.length === FINGERPRINT_DIGITS ? { state: 'installed', fingerprint } : undefined;
  return word === 3 ? { state: 'failed', fingerprint, message } : undefined;
}

const KINDS = ['file', 'directory', 'symlink', 'other'] as const;

export function guestStatFrom(payload: Buffer): GuestStat | undefined {
  const kind = KINDS[payload[0] ?? KINDS.length];
  if (payload.length !== 21 || kind === undefined) return undefined;
  return {
    kind,
    mode: payload.readUInt32LE(1) & 0o7777,
    size: Number(payload.readBigUInt64LE(5)),
    modifiedAt: Number(payload.readBigUInt64LE(13)),
  };
}

/** A guest's text ends up on a terminal: no control characters. */
export function printable(bytes: Buffer): string {
  return bytes.subarray(0, MESSAGE_BYTES).toString('utf8').replaceAll(/\p{C}/gu, ' ').trim();
}
