import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { openEgressMetrics } from './egress-metrics.ts';
import type { AuditedEgress } from './egress-routes.ts';
import { openInstanceMetrics } from './instance-metrics.ts';
import type { InstanceMetrics } from './instance-metrics.ts';
import { openPlacementMetrics } from './placement-metrics.ts';
import type { PlacementFigures } from './placement-metrics.ts';
import { openRequestMetrics } from './request-metrics.ts';
import type { RequestMetrics } from './request-metrics.ts';

/** How one look at one instance ended; controller-runtime's words for the label `result`. */
type ReconcileResult = 'success' | 'error' | 'requeue_after';

/** What the controller counts. Plain functions: nobody else needs to know who keeps the figures. */
export type Metrics = InstanceMetrics &
  RequestMetrics & {
    queueDepth(keys: number): void;
    queueAdded(): void;
    queueRetried(): void;
    /** How long a key waited between its time and the start of its work. */
    queueWaited(seconds: number): void;
    workers(active: number): void;
    reconciled(result: ReconcileResult, seconds: number): void;
    /** Placement's own figures are told, too; once. */
    placementIs(read: () => PlacementFigures): void;
    /** The text exposition of Prometheus, and its content type. */
    text(): Promise<string>;
    readonly contentType: string;
  };

/** Seconds; controller-runtime's own buckets for a reconcile, thinned. */
const RECONCILE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds; client-go's workqueue buckets: powers of ten from 10 us. */
const QUEUE_BUCKETS = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];
const CONTROLLER = 'instance';

/**
 * Metrics named as controller-runtime names them where they mean the same, so that its dashboards work.
 * prom-client's default metrics stay off: its event-loop monitor alone wakes an idle process every 10 ms.
 */
export function openMetrics(version: string, egress?: AuditedEgress): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const recorders = {
    ...openQueueMetrics(registers),
    ...openReconcileMetrics(registers),
    ...openInstanceMetrics(registers),
    ...openRequestMetrics(registers),
  };
  new Gauge({
    name: 'hypeman_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.version }, 1);
  openProcessMetrics(registers);
  const proxied = egress === undefined ? undefined : openEgressMetrics(registers, egress);
  return {
    ...recorders,
    placementIs: (read) => {
      openPlacementMetrics(registers, read);
    },
    text: async () => {
      await proxied?.refresh();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

type QueueMetrics = Pick<Metrics, 'queueDepth' | 'queueAdded' | 'queueRetried' | 'queueWaited'>;

function openQueueMetrics(registers: Registry[]): QueueMetrics {
  const named = { labelNames: ['name'] as const, registers };
  const depth = new Gauge({ name: 'workqueue_depth', help: 'Keys that wait for a worker.', ...named });
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Keys added to the queue.', ...named });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys added again after an error.',
    ...named,
  });
  const waits = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key waits for a worker.',
    buckets: QUEUE_BUCKETS,
    ...named,
  });
  const name = { name: CONTROLLER };
  // A counter that does not exist yet cannot be alerted on.
  retries.inc(name, 0);
  return {
    queueDepth: (keys) => {
      depth.set(name, keys);
    },
    queueAdded: () => {
      adds.inc(name);
    },
    queueRetried: () => {
      retries.inc(name);
    },
    queueWaited: (waited) => {
      waits.observe(name, waited);
    },
  };
}

type ReconcileMetrics = Pick<Metrics, 'workers' | 'reconciled'>;

function openReconcileMetrics(registers: Registry[]): ReconcileMetrics {
  const ofController = { labelNames: ['controller'] as const, registers };
  const active = new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Reconciles that run now.',
    ...ofController,
  });
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciles by result.',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Reconciles that failed.',
    ...ofController,
  });
  const seconds = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long one reconcile takes.',
    buckets: RECONCILE_BUCKETS,
    ...ofController,
  });
  const controller = { controller: CONTROLLER };
  errors.inc(controller, 0);
  return {
    workers: (count) => {
      active.set(controller, count);
    },
    reconciled: (result, took) => {
      total.inc({ ...controller, result });
      if (result === 'error') errors.inc(controller);
      seconds.observe(controller, took);
    },
  };
}

/** Read when somebody asks, and only then. Names by Prometheus' client guidelines. */
function openProcessMetrics(registers: Registry[]): void {
  const cpu = new Gauge({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time.',
    registers,
    collect: () => {
      const { user, system } = process.cpuUsage();
      cpu.set((user + system) / 1e6);
    },
  });
  const memory = new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory.',
    registers,
    collect: () => {
      memory.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start of the process since the epoch.',
    registers,
  }).set((Date.now() - process.uptime() * 1000) / 1000);
}
