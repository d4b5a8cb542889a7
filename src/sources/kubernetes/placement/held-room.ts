import { parseQuantity } from '../../../api/quantity.ts';
import { textAt, valueAt } from '../../../api/raw.ts';
import type { Demand, InstanceSight } from './instance-sight.ts';
import type { Room } from './placeholder-note.ts';

/** What the machine of an Instance has, or goes on with, as its status tells. */
export function roomSeen(status: InstanceSight['status']): Partial<Room> {
  const vcpus = valueAt(status, ['vcpus']);
  const size = bytesAt(status, 'size');
  return {
    ...(typeof vcpus === 'number' ? { vcpus } : {}),
    ...(size === undefined ? {} : { memoryBytes: size + (bytesAt(status, 'hotplugSize') ?? 0) }),
  };
}

/** A memory that is kept goes on as large as it was, whatever was declared since. */
export function withKeptMemory(instance: InstanceSight): InstanceSight {
  const { demand, status } = instance;
  if ('invalid' in demand || textAt(status, ['state']) !== 'Standby' || demand.state === 'Stopped')
    return instance;
  const { vcpus = 0, memoryBytes = 0 } = roomSeen(status);
  const larger: Demand = {
    ...demand,
    vcpus: Math.max(demand.vcpus, vcpus),
    memoryBytes: Math.max(demand.memoryBytes, memoryBytes),
  };
  return { ...instance, demand: larger };
}

function bytesAt(status: InstanceSight['status'], field: string): number | undefined {
  const text = textAt(status, [field]);
  const quantity = text === undefined ? undefined : parseQuantity('size', text);
  return quantity?.is === 'bytes' ? quantity.bytes : undefined;
}
