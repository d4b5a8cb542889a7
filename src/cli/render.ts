import { stringify } from 'yaml';
import type { ReportedInstance } from '../api/reported.ts';
import { headerRow, instanceRow } from './instance-rows.ts';
import { NAME_PREFIX } from './instances.ts';
import { tableText } from './table.ts';

export const FORMATS = ['wide', 'yaml', 'json', 'name'] as const;
type Format = (typeof FORMATS)[number] | 'table';

export type Rendering = {
  readonly format: Format;
  readonly namespaces: boolean;
  readonly headers: boolean;
  /** One document and not a List: exactly one name was asked for. */
  readonly single: boolean;
  /** Whether documents show them. */
  readonly events: boolean;
  readonly now: number;
  /** These instances went away while they were watched. */
  readonly gone?: boolean;
};

/** What `get` prints of these instances. */
export function instancesText(instances: readonly ReportedInstance[], how: Rendering): string {
  switch (how.format) {
    case 'name':
      return instances.map(({ metadata }) => `${NAME_PREFIX}${metadata.name}\n`).join('');
    case 'json':
      return `${JSON.stringify(documentOf(instances, how), null, 4)}\n`;
    case 'yaml':
      return yamlText(documentOf(instances, how));
    case 'wide':
    case 'table':
      return instances.length === 0 ? '' : tableText(rowsOf(instances, how));
  }
}

export function rowsOf(
  instances: readonly ReportedInstance[],
  how: Rendering,
): readonly (readonly string[])[] {
  const columns = { wide: how.format === 'wide', namespace: how.namespaces };
  const shown = how.gone === true ? { ...columns, state: 'Deleted' } : columns;
  const rows = instances.map((instance) => instanceRow(instance, shown, how.now));
  return how.headers ? [headerRow(columns), ...rows] : rows;
}

export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Several are a `List`, as kubectl has it, so that one `jq '.items[]'` fits both. */
function documentOf(instances: readonly ReportedInstance[], how: Rendering): unknown {
  const items = how.events
    ? instances
    : instances.map((instance) =>
        Object.fromEntries(Object.entries(instance).filter(([field]) => field !== 'events')),
      );
  const [first] = items;
  if (how.single && first !== undefined) return first;
  return { apiVersion: 'v1', kind: 'List', metadata: {}, items };
}
