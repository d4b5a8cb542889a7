import type { MachineEnd, MachineState } from '../../machine/machine.ts';
import type { Fields } from './fields.ts';

/** The states of a VMM that answers. */
export type AnsweredState = Exclude<MachineState['state'], 'absent' | 'unknown'>;

/** What `query-status` means to us (RunState in QEMU's qapi/run-state.json); undefined for a new word. */
export function stateFor(status: string): AnsweredState | undefined {
  return STATES.get(status);
}

const STATES: ReadonlyMap<string, AnsweredState> = new Map([
  ['prelaunch', 'created'],
  ['inmigrate', 'created'],
  ['running', 'running'],
  ['paused', 'paused'],
  ['suspended', 'paused'],
  ['postmigrate', 'paused'],
  ['finish-migrate', 'paused'],
  ['save-vm', 'paused'],
  ['restore-vm', 'paused'],
  ['debug', 'paused'],
  ['shutdown', 'shutdown'],
  ['guest-panicked', 'shutdown'],
  ['internal-error', 'shutdown'],
  ['io-error', 'shutdown'],
]);

/**
 * Why the VMM is about to go, by an event of its own (ShutdownCause). A `quit` of ours and a signal
 * from outside are no ends of the guest's: they leave no reason.
 */
export function endFor(event: string, data: Fields): MachineEnd | undefined {
  if (event === 'GUEST_PANICKED') return 'guest-panicked';
  if (event !== 'SHUTDOWN') return undefined;
  switch (data.reason) {
    case 'guest-shutdown':
      return 'guest-shutdown';
    case 'guest-reset':
    case 'subsystem-reset':
      return 'guest-reset';
    case 'guest-panic':
      return 'guest-panicked';
    case 'host-error':
      return 'vmm-error';
    default:
      return undefined;
  }
}
