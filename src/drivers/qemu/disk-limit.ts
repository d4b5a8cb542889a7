import { HypemanError } from '../../errors.ts';
import { asFields } from './fields.ts';
import type { Fields } from './fields.ts';
import { DISK_LIMIT } from './translate.ts';

/** The property of QEMU's throttle group that holds its limits (qapi/block-core.json, ThrottleLimits). */
export const LIMITS = { path: `/objects/${DISK_LIMIT}`, property: 'limits' };

/** The limit in force, 0 for none; undefined of a VMM that was started without a group for its disks. */
export async function diskLimitOf(
  execute: (command: string, options: { readonly args: Fields }) => Promise<unknown>,
): Promise<number | undefined> {
  try {
    const { 'bps-total': bytes } = asFields(await execute('qom-get', { args: LIMITS }));
    return typeof bytes === 'number' ? bytes : undefined;
  } catch (error) {
    if (error instanceof HypemanError && error.reason === 'QmpRefused') return undefined;
    throw error;
  }
}
