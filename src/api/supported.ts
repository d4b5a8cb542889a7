import type { Problem } from './instance.ts';
import { problem } from './problem.ts';
import { isMapping, valueAt } from './raw.ts';

/** Where a document comes from. */
export type SourceKind = 'directory' | 'kubernetes';

/** A part of the spec that is refused rather than ignored. */
export type Unsupported = {
  /** Path from the spec. */
  readonly field: string;
  /** The values that are refused; absent: every value but none, false, 0 and empty. */
  readonly values?: readonly unknown[];
  /** The source it is refused from; absent: from both. */
  readonly source?: SourceKind;
  /** What is wrong and how to mend it. */
  readonly message: string;
};

const NOT_YET = 'is not supported by this version: remove it';
const KUBERNETES_ONLY =
  'has a meaning on Kubernetes only: remove it, or run the controller with --kubernetes';

/** What this version cannot do. Whoever brings a feature removes its row. */
export const UNSUPPORTED: readonly Unsupported[] = [
  { field: 'devices', message: NOT_YET },
  { field: 'gpu.profile', message: NOT_YET },
  {
    field: 'hypervisor',
    values: ['cloud-hypervisor', 'firecracker', 'vz'],
    message: 'only qemu is supported by this version: use qemu, or remove the line',
  },
  {
    field: 'skipKernelHeaders',
    values: [false],
    message:
      'false is not supported by this version, no kernel headers are installed: set it to true, or remove it',
  },
  { field: 'evictionPolicy', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'nodeName', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'nodeSelector', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'tolerations', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'affinity', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'topologySpreadConstraints', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'priorityClassName', source: 'directory', message: KUBERNETES_ONLY },
  { field: 'schedulerName', source: 'directory', message: KUBERNETES_ONLY },
];

/** The fields that this version refuses whatever their value, from every source. */
export const UNSUPPORTED_FIELDS: readonly string[] = UNSUPPORTED.filter(
  ({ values, source }) => values === undefined && source === undefined,
).map(({ field }) => field);

export function unsupportedProblems(
  spec: unknown,
  source: SourceKind,
  table: readonly Unsupported[],
): readonly Problem[] {
  return table
    .filter((row) => row.source === undefined || row.source === source)
    .map((row) => ({ row, path: row.field.split('.') }))
    .filter(({ row, path }) => {
      const value = valueAt(spec, path);
      return row.values === undefined ? isGiven(value) : row.values.includes(value);
    })
    .map(({ row, path }) => problem(['spec', ...path], row.message));
}

/** Whether a value asks for anything at all. */
function isGiven(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMapping(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '';
}
