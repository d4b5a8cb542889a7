import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { InstanceStatus } from '../api/status.ts';

export type InstanceMetrics = {
  /** One action of a plan was done, or could not be. `kind` is the plan's own word. */
  acted(kind: string, result: 'success' | 'error'): void;
  /** Where the figures about instances are read at each scrape. */
  instancesAre(statuses: () => readonly InstanceStatus[]): void;
};

/**
 * What stands on this host and what was done for it. Counts by state and by condition, never a name: ten
 * thousand instances are as many lines as ten.
 */
export function openInstanceMetrics(registers: Registry[]): InstanceMetrics {
  let read: () => readonly InstanceStatus[] = () => [];
  const states = new Gauge({
    name: 'hypeman_instances',
    help: 'Instances of this host by reported state.',
    labelNames: ['state'],
    registers,
    collect: () => {
      states.reset();
      for (const { state } of read()) if (state !== undefined) states.inc({ state });
    },
  });
  const conditions = new Gauge({
    name: 'hypeman_instance_conditions',
    help: 'Instances of this host by condition and its status.',
    labelNames: ['type', 'status'],
    registers,
    collect: () => {
      conditions.reset();
      for (const one of read())
        for (const { type, status } of one.conditions) conditions.inc({ type, status });
    },
  });
  const actions = new Counter({
    name: 'hypeman_actions_total',
    help: 'Actions of plans by kind and result: start-machine, pull-image, suspend-machine, ...',
    labelNames: ['action', 'result'],
    registers,
  });
  return {
    acted: (action, result) => {
      actions.inc({ action, result });
    },
    instancesAre: (statuses) => {
      read = statuses;
    },
  };
}
