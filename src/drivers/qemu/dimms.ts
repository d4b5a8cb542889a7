import { HOTPLUG_SLOTS } from '../../machine/hotplug.ts';
import type { Dimm } from '../../machine/hotplug.ts';
import { asFields } from './fields.ts';

/** What `query-memory-devices` answers (MemoryDeviceInfo in QEMU's qapi/machine.json), by slot. */
export function dimmsIn(answer: unknown): readonly Dimm[] {
  const devices: readonly unknown[] = Array.isArray(answer) ? answer : [];
  return devices.flatMap(dimmOf).sort((one, other) => one.slot - other.slot);
}

/** A VMM that its guest took over may say anything; a slot becomes part of a file's name. */
function dimmOf(device: unknown): readonly Dimm[] {
  const { type, data } = asFields(device);
  const { slot, addr: address, size: bytes } = asFields(data);
  if (type !== 'dimm' || !isCount(slot) || !isCount(address) || !isCount(bytes)) return [];
  return slot < HOTPLUG_SLOTS ? [{ slot, address, bytes }] : [];
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
