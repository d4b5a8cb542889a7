import type { InstanceId } from '../machine/ids.ts';

const BASE_MS = 1_000;
const CAP_MS = 300_000;
/** Part of the pause that differs from instance to instance, so that a host does not restart in step. */
const SPREAD = 0.25;

/**
 * The pause before the next start, after `failures` ends in a row: 1 s doubling to 5 min. The first end
 * that was not the program's own (a crash, a host reboot) is healed at once.
 */
export function restartDelayMs(id: InstanceId, failures: number, ended: 'exit' | 'crash'): number {
  const doublings = failures - (ended === 'crash' ? 2 : 1);
  if (doublings < 0) return 0;
  const full = Math.min(CAP_MS, BASE_MS * 2 ** doublings);
  return Math.round(full * (1 - SPREAD * fractionOf(`${id} ${failures}`)));
}

/** FNV-1a: chance as data, the same for the same text. At least 0, below 1. */
function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}
