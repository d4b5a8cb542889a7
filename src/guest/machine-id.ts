import { createHash } from 'node:crypto';
import type { InstanceId } from '../machine/ids.ts';

/**
 * The same for one instance at any time, and of no other: a UUID of version 4 in form, as machine-id(5)
 * asks for. It tells nothing of the id.
 */
export function machineIdFor(id: InstanceId): string {
  const bytes = createHash('sha256').update(`hypeman machine-id ${id}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex');
}
