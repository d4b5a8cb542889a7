import type { SilentField } from '../../../api/instance.ts';
import { textAt, valueAt } from '../../../api/raw.ts';
import { roomSeen } from './held-room.ts';
import type { InstanceSight, Demand } from './instance-sight.ts';

/**
 * What a fork asks of a node where its document is silent: what it is seen to have, once somebody runs it; before
 * that, what its source asks for. `sourceOf` finds the Instance of that name beside it.
 */
export function withInherited(
  instance: InstanceSight,
  sourceOf: (name: string) => InstanceSight | undefined,
): InstanceSight {
  return inheriting(instance, sourceOf, new Set());
}

function inheriting(
  instance: InstanceSight,
  sourceOf: (name: string) => InstanceSight | undefined,
  asked: ReadonlySet<string>,
): InstanceSight {
  const { demand, key } = instance;
  if ('invalid' in demand || demand.forkOf === undefined || asked.has(key)) return instance;
  const source = sourceOf(demand.forkOf);
  const from = source && inheriting(source, sourceOf, new Set([...asked, key])).demand;
  const taken = { ...(from === undefined || 'invalid' in from ? {} : from), ...seenOf(instance) };
  const declared = { ...demand, ...pick(taken, demand.silent ?? []) };
  return { ...instance, demand: { ...declared, ...goneOnWith(declared, instance, source) } };
}

/** It goes on with the memory of its source, as large as that is, whatever is declared of either for a later start. */
function goneOnWith(
  declared: Demand,
  { status }: InstanceSight,
  source: InstanceSight | undefined,
): Partial<Demand> {
  const hasBegun = roomSeen(status).memoryBytes !== undefined;
  if (hasBegun || source === undefined || !HAS_MEMORY.has(textAt(source.status, ['state']) ?? '')) return {};
  const { vcpus = 0, memoryBytes = 0 } = roomSeen(source.status);
  return {
    vcpus: Math.max(declared.vcpus, vcpus),
    memoryBytes: Math.max(declared.memoryBytes, memoryBytes),
  };
}

const HAS_MEMORY: ReadonlySet<string> = new Set(['Running', 'Paused', 'Standby']);

/** Fields of the spec and of a Demand that mean the same have one name. */
const SHARED = ['state', 'vcpus', 'memoryBytes', 'volumes'] as const satisfies readonly (keyof Demand &
  SilentField)[];

function pick(from: Partial<Demand>, silent: readonly SilentField[]): Partial<Demand> {
  const taken = SHARED.filter((field) => from[field] !== undefined && silent.includes(field));
  return Object.fromEntries(taken.map((field) => [field, from[field]]));
}

function seenOf({ status }: InstanceSight): Partial<Demand> {
  const volumes = valueAt(status, ['volumes']);
  return {
    ...roomSeen(status),
    ...(Array.isArray(volumes) ? { volumes: volumes.flatMap((each) => textAt(each, ['volume']) ?? []) } : {}),
  };
}
