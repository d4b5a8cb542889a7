import type { GuestTrust } from '../machine/egress.ts';
import type { GuestState } from '../machine/guest.ts';
import { instanceId } from '../machine/ids.ts';
import type { GuestStat } from './guest-links.ts';

const HEAD_BYTES = 16;
const MESSAGE_BYTES = 512;
const FINGERPRINT_DIGITS = 64;
/** What init has room for (init.h: ID and IDENTITY_MESSAGE, each with its tag and its end). */
const IDENTITY_BYTES = 324;
/** A restart of the clock's zero by less than this is jitter of the connection, not news. */
const JITTER_MS = 2000;

/** What a STATE frame says at `now`; undefined when it says nothing sensible. `before` keeps times steady. */
export function guestStateFrom(payload: Buffer, now: number, before: GuestState): GuestState | undefined {
  if (payload.length < HEAD_BYTES) return undefined;
  if (payload[0] === 1) return startedFrom(payload, now, before);
  if (payload.length > HEAD_BYTES + MESSAGE_BYTES) return undefined;
  switch (payload.readUInt8(0)) {
    case 0:
      return { state: 'booting' };
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
  const rest = payload.subarray(HEAD_BYTES);
  const identityAt = rest.length - payload.readUInt16LE(6);
  if (identityAt < 0 || identityAt > MESSAGE_BYTES || payload.readUInt8(4) > 1) return undefined;
  const identity = identityFrom(rest.subarray(identityAt));
  const trust = trustFrom(payload.readUInt8(3), rest.subarray(0, identityAt));
  if (identity === undefined || trust === undefined) return undefined;
  const held = payload[4] === 1 ? ({ held: true } as const) : {};
  return { state: 'started', startedAt, agentReady: payload[1] === 1, ...trust, ...identity, ...held };
}

type Started = Extract<GuestState, { readonly state: 'started' }>;

/** Undefined for what is no identity; one that is not spoken of is empty. */
function identityFrom(bytes: Buffer): Pick<Started, 'identity' | 'identityProblem'> | undefined {
  if (bytes.length === 0) return {};
  const records = /^(?:i([a-z0-9]{1,64})\0)?(?:w([^\0]{1,255})\0)?$/.exec(bytes.toString('latin1'));
  if (bytes.length > IDENTITY_BYTES || records === null) return undefined;
  const [, id, why] = records;
  return {
    ...(id === undefined ? {} : { identity: instanceId(id) }),
    ...(why === undefined ? {} : { identityProblem: printable(Buffer.from(why, 'latin1')) }),
  };
}

/** Undefined for what is no word about a CA; one that is not spoken of is empty. */
function trustFrom(word: number, rest: Buffer): Pick<Started, 'trust'> | undefined {
  if (word === 0) return {};
  const trust = trustIn(word, rest);
  return trust === undefined ? undefined : { trust };
}

function trustIn(word: number, rest: Buffer): GuestTrust | undefined {
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
