import { HypemanError, messageOf } from '../../errors.ts';
import type { Fate } from '../../errors.ts';

/** A cause that QEMU names in words of its own, and what the user can do about it. */
type KnownCause = {
  readonly says: RegExp;
  readonly reason: string;
  readonly advice: string;
  readonly fate?: Fate;
};

const LONGEST_TAIL = 800;

const KNOWN_CAUSES: readonly KnownCause[] = [
  {
    says: /(could not (configure|open)|Unable to.*) \/dev\/net\/tun/,
    reason: 'TapUnavailable',
    advice: 'the network device is missing or belongs to another user, or /dev/net/tun is closed to the VMM',
  },
  {
    says: /Could not access KVM|failed to initialize kvm|kvm_init/i,
    reason: 'KvmUnavailable',
    advice: 'KVM does not work on this host; choose the accelerator tcg',
  },
  {
    says: /load of migration failed|error while loading state/,
    reason: 'SnapshotUnusable',
    advice: 'it does not understand the device state of the snapshot',
  },
  {
    says: /cannot set up guest memory|Cannot allocate memory/i,
    reason: 'InsufficientMemory',
    advice: 'the host has not enough memory for this machine; stop another one or make it smaller',
  },
  {
    says: /Failed to get .* lock|Is another process using the image/,
    reason: 'DiskInUse',
    advice: 'another process holds one of its disks',
  },
  {
    says: /No space left on device|ENOSPC|no space left/,
    reason: 'DiskFull',
    advice: 'the disk is full; make room',
  },
  {
    says: /Address already in use/,
    reason: 'SocketInUse',
    advice: 'another process holds one of its sockets',
  },
  {
    says: /UNIX socket path .* is too long/,
    reason: 'SocketPathTooLong',
    advice: 'choose a shorter run directory',
    fate: 'invalid',
  },
  {
    says: /Permission denied/,
    reason: 'FileNotAccessible',
    advice: "the VMM's user may not open one of its files; every directory above it must be passable",
  },
  {
    says: /No such file or directory|ENOENT/,
    reason: 'FileMissing',
    advice: 'one of its files is not there',
  },
];

/** How a VMM that did not come up ended. */
export type FailedStart = {
  readonly vmmUid: number;
  /** What this run wrote to vmm.log. */
  readonly log: string;
  readonly exit?: { readonly code: number | null; readonly signal: string | null };
  readonly cause?: unknown;
};

/** The error of a start that failed: a reason to branch on, advice, and the VMM's own last words. */
export function startFailure(failed: FailedStart): HypemanError {
  const words = lastWords(failed.log);
  const known = KNOWN_CAUSES.find(({ says }) => says.test(words === '' ? messageOf(failed.cause) : words));
  const why = known?.advice ?? howItEnded(failed);
  return new HypemanError(
    known?.fate ?? 'transient',
    known?.reason ?? 'MachineStartFailed',
    `QEMU did not start: ${why}${words === '' ? '' : ` (it said: ${words})`}`,
    { facts: { vmmUid: failed.vmmUid }, ...(failed.cause === undefined ? {} : { cause: failed.cause }) },
  );
}

function howItEnded({ exit, cause }: FailedStart): string {
  if (exit?.signal === 'SIGSYS') return 'its own sandbox ended it (SIGSYS)';
  if (exit?.signal === 'SIGKILL') return 'it was killed, by somebody or for want of memory (SIGKILL)';
  if (exit?.signal != null) return `it was ended by ${exit.signal}`;
  if (exit?.code != null) return `it exited with code ${exit.code}`;
  return cause instanceof Error ? cause.message : 'it did not answer';
}

/** The last lines without time stamps, on one line: a condition's message is one. */
function lastWords(log: string): string {
  return log
    .slice(-LONGEST_TAIL)
    .split('\n')
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, '').trim())
    .filter((line) => line !== '')
    .slice(-5)
    .join('; ');
}
