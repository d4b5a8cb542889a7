import { quantityText } from '../api/quantity.ts';
import type { CountedEvent, ReportedInstance } from '../api/reported.ts';
import type { Condition } from '../api/status.ts';
import { forksText } from './describe-forks.ts';
import { credentialsText } from './describe-credentials.ts';
import { ageText } from './durations.ts';
import type { LiveEgress } from './live-egress.ts';
import type { LiveMemory } from './live-memory.ts';
import { specWithoutValues } from '../sources/spec-text.ts';
import { printable } from './printable.ts';
import { yamlText } from './render.ts';
import { tableText } from './table.ts';

const NONE = '<none>';

/** What is told beside the instance's own words. */
export type Beside = {
  readonly egress?: LiveEgress;
  readonly memory?: LiveMemory;
  /** The instances of its namespace, for its forks. */
  readonly neighbours?: readonly ReportedInstance[];
};

/** All that is known of one instance, in the order of kubectl's describe. */
export function describeText(
  instance: ReportedInstance,
  now: number,
  { egress, memory = { is: 'known' }, neighbours = [] }: Beside = {},
): string {
  return [
    fieldsText(fieldsOf(instance, now, memory)),
    forksText(instance, neighbours),
    specText(instance.spec),
    volumesText(instance.status.volumes ?? []),
    credentialsText(instance, now, egress),
    pendingText(instance.status.pendingFields ?? []),
    conditionsText(instance.status.conditions, now),
    eventsText(instance.events, now),
  ].join('');
}

type Field = readonly [name: string, value: string | number | undefined];

function fieldsOf({ metadata, status }: ReportedInstance, now: number, memory: LiveMemory): readonly Field[] {
  const { network } = status;
  return [
    ['Name', metadata.name],
    ['Namespace', metadata.namespace],
    ['UID', metadata.uid],
    ['ID', status.id],
    ['Labels', pairsText(metadata.labels)],
    ['Annotations', pairsText(metadata.annotations)],
    ['Created', timeText(metadata.creationTimestamp, now)],
    ['Generation', generationText(metadata.generation, status.appliedGeneration)],
    ['State', status.state ?? NONE],
    ['State error', status.stateError],
    ['Started', timeText(status.startedAt, now)],
    ['Stopped', timeText(status.stoppedAt, now)],
    ['Exit code', status.exitCode],
    ['Exit message', status.exitMessage],
    ['Restarts', status.restarts ?? 0],
    ['Image', status.image],
    ['Hypervisor', status.hypervisor],
    ['Node', status.nodeName],
    ['VCPUs', status.vcpus],
    ['Memory', status.size],
    ['Hotplug', status.hotplugSize],
    ...memoryFields(memory),
    ['Overlay', status.overlaySize],
    ['Disk I/O', status.diskIoBps],
    ['Network', network?.name],
    ['IP', network?.ip],
    ['MAC', network?.mac],
    ['Download', network?.bandwidthDownload],
    ['Upload', network?.bandwidthUpload],
    ['Snapshot', status.hasSnapshot === true ? 'yes' : undefined],
    ...forkFields(status.fork, now),
  ];
}

/** What is shared is so with other machines of the same base, and programs of the same files. */
function memoryFields(live: LiveMemory): readonly Field[] {
  if (live.is === 'unknown') return [['Resident', `not known: ${live.why}`]];
  if (live.memory === undefined) return [];
  const { residentBytes, sharedBytes, privateBytes } = live.memory;
  return [
    ['Resident', roundText(residentBytes)],
    ['Shared', roundText(sharedBytes)],
    ['Private', roundText(privateBytes)],
  ];
}

/** The exact kilobytes of a large process would be other ones a moment later. */
function roundText(bytes: number): string {
  const mib = 1024 * 1024;
  return quantityText('size', bytes < mib ? bytes : Math.round(bytes / mib) * mib);
}

function forkFields(fork: ReportedInstance['status']['fork'], now: number): readonly Field[] {
  if (fork === undefined) return [];
  const { source, completedAt, sourcePauseMs } = fork;
  return [
    ['Forked from', source],
    ['Forked at', timeText(completedAt, now)],
    ['Source paused', sourcePauseMs === undefined ? undefined : `${sourcePauseMs} ms`],
  ];
}

function fieldsText(fields: readonly Field[]): string {
  const known = fields.filter(([, value]) => value !== undefined);
  const width = Math.max(...known.map(([name]) => name.length)) + 1;
  return known
    .map(([name, value]) => `${`${name}:`.padEnd(width)}  ${String(value)}`.split('\n').map(printable))
    .map(([first = '', ...rest]) => [first, ...rest.map((line) => ' '.repeat(width + 2) + line)])
    .map((lines) => `${lines.join('\n')}\n`)
    .join('');
}

function generationText(declared: number, applied: number | undefined): string {
  return applied === declared ? `${declared}` : `${declared} (the guest has ${applied ?? 'none yet'})`;
}

function timeText(time: string | undefined, now: number): string | undefined {
  return time === undefined ? undefined : `${time} (${ageText(now - Date.parse(time))} ago)`;
}

/** One pair a line. */
function pairsText(pairs: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(pairs).map(([name, value]) => `${name}=${value.replaceAll('\n', ' ')}`);
  return lines.length === 0 ? NONE : lines.join('\n');
}

function specText(spec: ReportedInstance['spec']): string {
  if (spec === undefined) return 'Spec:  <never valid>\n';
  const lines = yamlText(specWithoutValues(spec)).trimEnd().split('\n');
  return `Spec:\n${lines.map((line) => `  ${printable(line)}\n`).join('')}`;
}

function volumesText(volumes: NonNullable<ReportedInstance['status']['volumes']>): string {
  if (volumes.length === 0) return '';
  const rows = volumes.map(({ volume, mountPath, readonly, overlaySize }) => [
    volume,
    mountPath,
    readonly ? 'read-only' : 'read-write',
    overlaySize ?? NONE,
  ]);
  return `Volumes:\n${indented([['Volume', 'Path', 'Access', 'Overlay'], ...rows])}`;
}

function pendingText(fields: readonly string[]): string {
  if (fields.length === 0) return '';
  return `Pending fields:\n${fields.map((field) => `  ${printable(field)}\n`).join('')}`;
}

function conditionsText(conditions: readonly Condition[], now: number): string {
  if (conditions.length === 0) return `Conditions:  ${NONE}\n`;
  const rows = conditions.map(({ type, status, reason, message, lastTransitionTime }) => [
    type,
    status,
    reason,
    ageText(now - Date.parse(lastTransitionTime)),
    message,
  ]);
  return `Conditions:\n${indented([['Type', 'Status', 'Reason', 'Age', 'Message'], ...rows])}`;
}

function eventsText(events: readonly CountedEvent[], now: number): string {
  if (events.length === 0) return `Events:  ${NONE}\n`;
  const rows = events.map((event) => [event.type, event.reason, whenText(event, now), event.message]);
  return `Events:\n${indented([['Type', 'Reason', 'Age', 'Message'], ...rows])}`;
}

/** `5s (x3 over 2m)`, as kubectl tells a repeated event. */
function whenText({ at, firstAt, count }: CountedEvent, now: number): string {
  const age = ageText(now - at);
  return count > 1 ? `${age} (x${count} over ${ageText(now - firstAt)})` : age;
}

function indented(rows: readonly (readonly string[])[]): string {
  return tableText(rows.map(([first = '', ...rest]) => [`  ${first}`, ...rest]));
}
