import { HypemanError } from '../../errors.ts';
import type { MachineRef } from '../../machine/driver.ts';
import { LIMITS } from './disk-limit.ts';
import type { Vmms } from './vmms.ts';

/** See `Driver.throttleDisks`. */
export async function throttleDisks(vmms: Vmms, ref: MachineRef, bytesPerSecond: number): Promise<void> {
  const session = await vmms.sessionOf(ref);
  if (session === undefined)
    throw new HypemanError(
      'transient',
      'CannotThrottle',
      `the disks of ${ref.id} take no limit: it does not run`,
    );
  try {
    await session.execute('qom-set', { args: { ...LIMITS, value: { 'bps-total': bytesPerSecond } } });
  } finally {
    session.forgetDiskLimit();
  }
}
