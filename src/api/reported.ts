import type { InstanceStatus } from './status.ts';

/** One thing that happened, as `describe` shows it (core/v1 Event, the words that matter). */
export type InstanceEvent = {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

/** The same event seen `count` times, first at `firstAt`, last at `at`. */
export type CountedEvent = InstanceEvent & { readonly count: number; readonly firstAt: number };

/**
 * An Instance as `get -o yaml` prints it and as directory mode keeps it in
 * `<state>/status/<namespace>/<name>.json`: the declared spec with every env value hidden, the status,
 * and the last events.
 */
export type ReportedInstance = {
  readonly apiVersion: 'hypeman.dev/v1alpha1';
  readonly kind: 'Instance';
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    /** RFC 3339. */
    readonly creationTimestamp: string;
  };
  /** Absent when no text of the declaration was ever valid. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status: InstanceStatus;
  readonly events: readonly CountedEvent[];
};
