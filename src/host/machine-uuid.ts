import { createHash } from 'node:crypto';
import { readIfThere } from './files.ts';

const DMI = '/sys/class/dmi/id';

/** SMBIOS 3.x, 7.2.1: all zeros, not present; all ones, not set. The third is what a maker's tool leaves behind. */
const NOT_SET = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '03000200-0400-0500-0006-000700080009',
];

/**
 * What this machine's firmware says that it is, digested: the same over reboots, another one on another machine, also
 * where that was cloned from this one's disk. Undefined where the firmware says nothing of worth. Needs root.
 */
export async function readMachineUuid(directory = DMI): Promise<string | undefined> {
  const read = async (name: string): Promise<string> =>
    ((await readIfThere(`${directory}/${name}`)) ?? '').trim().toLowerCase();
  const uuid = await read('product_uuid');
  if (uuid === '' || NOT_SET.includes(uuid)) return undefined;
  const serials = [await read('product_serial'), await read('board_serial')];
  return createHash('sha256')
    .update([uuid, ...serials].join('\n'))
    .digest('hex')
    .slice(0, 16);
}
