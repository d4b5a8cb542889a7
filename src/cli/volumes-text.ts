import type { ReportedVolume } from '../api/reported-volume.ts';
import { readIfThere } from '../host/files.ts';
import { volumeReportPath } from '../machine/volume.ts';
import { ageText } from './durations.ts';
import { yamlText } from './render.ts';
import type { Rendering } from './render.ts';
import { tableText } from './table.ts';

/** What a controller last told of its volumes, by namespace and name. */
export async function readVolumes(stateDir: string): Promise<readonly ReportedVolume[]> {
  const text = await readIfThere(volumeReportPath(stateDir));
  // eslint-disable-next-line @typescript-eslint/no-unsafe-type-assertion -- written whole by a controller of ours
  return text === undefined ? [] : (JSON.parse(text) as readonly ReportedVolume[]);
}

/** What `get volumes` prints of them. */
export function volumesText(
  volumes: readonly ReportedVolume[],
  how: Pick<Rendering, 'format' | 'namespaces' | 'headers' | 'now'>,
): string {
  if (how.format === 'name') return volumes.map(({ name }) => `volume.hypeman.dev/${name}\n`).join('');
  if (how.format === 'json') return `${JSON.stringify(volumes, null, 4)}\n`;
  if (how.format === 'yaml') return yamlText(volumes);
  const rows = volumes.map((volume) => rowOf(volume, how));
  if (rows.length === 0) return '';
  return tableText(how.headers ? [headerOf(how), ...rows] : rows);
}

type Columns = Pick<Rendering, 'namespaces' | 'format' | 'now'>;

function headerOf({ namespaces, format }: Columns): readonly string[] {
  const columns = ['NAME', 'SIZE', 'USED BY', 'RECLAIM', 'AGE', 'STATE'];
  return [...(namespaces ? ['NAMESPACE'] : []), ...columns, ...(format === 'wide' ? ['MESSAGE'] : [])];
}

function rowOf(volume: ReportedVolume, { namespaces, format, now }: Columns): readonly string[] {
  const { namespace, name, size, usedBy, reclaimPolicy, createdAt, state, message } = volume;
  const age = createdAt === undefined ? NONE : ageText(now - Date.parse(createdAt));
  const users = usedBy.length === 0 ? NONE : usedBy.join(', ');
  return [
    ...(namespaces ? [namespace] : []),
    ...[name, size ?? NONE, users, reclaimPolicy ?? NONE, age, state],
    ...(format === 'wide' ? [message ?? NONE] : []),
  ];
}

const NONE = '<none>';
