import { describe, expect, test } from 'vitest';
import { startFailure } from '../../../src/drivers/qemu/failure.ts';
import { endFor, stateFor } from '../../../src/drivers/qemu/told.ts';

describe('what QEMU tells', () => {
  test.each([
    ['prelaunch', 'created'],
    ['inmigrate', 'created'],
    ['running', 'running'],
    ['paused', 'paused'],
    ['postmigrate', 'paused'],
    ['shutdown', 'shutdown'],
    ['guest-panicked', 'shutdown'],
    ['internal-error', 'shutdown'],
    ['io-error', 'shutdown'],
  ])('the status %s is %s', (status, state) => {
    expect(stateFor(status)).toBe(state);
  });

  test('a status nobody knows yet is no state', () => {
    expect(stateFor('colossal')).toBeUndefined();
  });

  test.each([
    ['SHUTDOWN', 'guest-shutdown', 'guest-shutdown'],
    ['SHUTDOWN', 'guest-reset', 'guest-reset'],
    ['SHUTDOWN', 'guest-panic', 'guest-panicked'],
    ['SHUTDOWN', 'host-error', 'vmm-error'],
    ['GUEST_PANICKED', undefined, 'guest-panicked'],
    ['SHUTDOWN', 'host-qmp-quit', undefined],
    ['SHUTDOWN', 'host-signal', undefined],
    ['RTC_CHANGE', undefined, undefined],
  ])('%s because of %s means %s', (event, reason, end) => {
    expect(endFor(event, { reason })).toBe(end);
  });
});

const STAMP = '2026-11-22T04:16:12.345678Z qemu-system-x86_64: ';

describe('a start that failed', () => {
  // Word for word from QEMU 7.2.22.
  test.each([
    ['TapUnavailable', 'could not configure /dev/net/tun (hm-x): Operation not permitted'],
    ['KvmUnavailable', 'Could not access KVM kernel module: Permission denied'],
    ['KvmUnavailable', '-accel kvm: failed to initialize kvm: No such file or directory'],
    ['InsufficientMemory', "cannot set up guest memory 'pc.ram': Cannot allocate memory"],
    ['DiskInUse', 'Failed to get "write" lock'],
    ['SocketInUse', 'Failed to bind socket to /run/hypeman/x/vmm.sock: Address already in use'],
    ['FileNotAccessible', "Could not open '/o.img': Permission denied"],
    ['FileMissing', "-blockdev {}: Could not open '/o.img': No such file or directory"],
    ['MachineStartFailed', 'something nobody has seen'],
  ])('is %s when QEMU says so', (reason, words) => {
    const failure = startFailure({ vmmUid: 5, log: `${STAMP}${words}\n`, exit: { code: 1, signal: null } });
    expect(failure).toMatchObject({ fate: 'transient', reason });
    expect(failure.message).toContain(words);
    expect(failure.message).not.toContain('2026-11-22');
  });

  test('can only be healed by the user when the socket’s path is too long', () => {
    const log = `${STAMP}UNIX socket path '/x' is too long\n`;
    expect(startFailure({ vmmUid: 5, log })).toMatchObject({ fate: 'invalid', reason: 'SocketPathTooLong' });
  });

  test.each([
    [{ code: null, signal: 'SIGSYS' }, 'sandbox'],
    [{ code: null, signal: 'SIGKILL' }, 'memory'],
    [{ code: null, signal: 'SIGABRT' }, 'SIGABRT'],
    [{ code: 3, signal: null }, 'code 3'],
  ])('without a word is told by how it ended: %o', (exit, words) => {
    expect(startFailure({ vmmUid: 5, log: '', exit }).message).toContain(words);
  });

  test('quotes no more than the last lines, on one line', () => {
    const log = Array.from({ length: 100 }, (_, index) => `${STAMP}line ${index}\n`).join('');
    const { message } = startFailure({ vmmUid: 5, log });
    expect(message).toContain('line 99');
    expect(message).not.toContain('line 90');
    expect(message).not.toContain('\n');
  });

  test('names a full disk', () => {
    const cause = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(startFailure({ vmmUid: 5, log: '', cause })).toMatchObject({ reason: 'DiskFull' });
  });
});
