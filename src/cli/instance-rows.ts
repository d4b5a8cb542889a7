import type { ReportedInstance } from '../api/reported.ts';
import { ageText } from './durations.ts';
import { conditionOf } from './instances.ts';

export type Columns = {
  readonly wide: boolean;
  readonly namespace: boolean;
  /** Instead of the reported state. */
  readonly state?: string;
};

type Column = readonly [title: string, cell: (instance: ReportedInstance, now: number) => string | undefined];

/** The printer columns of the CRD, so that `kubectl get` and `get` show the same. */
const COLUMNS: readonly Column[] = [
  ['NAME', ({ metadata }) => metadata.name],
  ['STATE', ({ status }) => status.state],
  ['READY', (instance) => conditionOf(instance, 'Ready')?.status],
  ['IMAGE', imageOf],
  ['IP', ({ status }) => status.network?.ip],
  ['RESTARTS', ({ status }) => (status.restarts ?? 0).toString()],
  ['AGE', ({ metadata }, now) => ageText(now - Date.parse(metadata.creationTimestamp))],
];

const WIDE: readonly Column[] = [
  ['REASON', (instance) => conditionOf(instance, 'Ready')?.reason],
  ['UPTODATE', (instance) => conditionOf(instance, 'UpToDate')?.status],
  ['HYPERVISOR', ({ status }) => status.hypervisor],
  ['NODE', ({ status }) => status.nodeName],
  ['FORKOF', ({ status }) => status.fork?.source],
];

const NAMESPACE: Column = ['NAMESPACE', ({ metadata }) => metadata.namespace];
const NONE = '<none>';

export function headerRow(columns: Columns): readonly string[] {
  return columnsOf(columns).map(([title]) => title);
}

export function instanceRow(instance: ReportedInstance, columns: Columns, now: number): readonly string[] {
  return columnsOf(columns).map(([title, cell]) => {
    const told = title === 'STATE' ? columns.state : undefined;
    const text = told ?? cell(instance, now) ?? '';
    return text === '' ? NONE : text;
  });
}

function columnsOf({ wide, namespace }: Columns): readonly Column[] {
  return [...(namespace ? [NAMESPACE] : []), ...COLUMNS, ...(wide ? WIDE : [])];
}

/** As it was declared; what it was pinned to is in the status. */
function imageOf({ spec, status }: ReportedInstance): string | undefined {
  return typeof spec?.image === 'string' ? spec.image : status.image;
}
