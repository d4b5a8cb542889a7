import { listOf, mappingOf, textAt, valueAt } from '../api/raw.ts';
import type { ReportedInstance } from '../api/reported.ts';
import type { InstanceCounters } from '../egress/audit-trail.ts';
import { ageText } from './durations.ts';
import type { LiveEgress } from './live-egress.ts';
import { printable } from './printable.ts';

/**
 * Each declared credential: where it goes, which value it has (its generation), and what became of it.
 * Names, hosts and figures; never a value. Empty where nothing is mediated.
 */
export function credentialsText(
  instance: ReportedInstance,
  now: number,
  live: LiveEgress | undefined,
): string {
  const declared = Object.entries(mappingOf(valueAt(instance.spec, ['credentials'])));
  if (declared.length === 0) return '';
  const lines = declared.flatMap(([name, credential]) => [
    `${name}:`,
    ...[
      ...listOf(valueAt(credential, ['inject'])).map(ruleLine),
      ...valueLines(instance, name, now),
      ...(live?.is === 'known' ? useLines(live.counters, name, now) : []),
    ].map((line) => `  ${line}`),
  ]);
  const missing = live?.is === 'unknown' ? [`(counters are not known: ${live.why})`] : [];
  return `Credentials:\n${[...lines, ...missing].map((line) => `  ${printable(line)}\n`).join('')}`;
}

function ruleLine(rule: unknown): string {
  const hosts = listOf(valueAt(rule, ['hosts'])).filter((host) => typeof host === 'string');
  const header = textAt(rule, ['as', 'header']) ?? '';
  const when = textAt(rule, ['when']) === 'placeholder' ? 'where the guest sent the placeholder' : 'always';
  return `Rule:        ${header} for ${hosts.length === 0 ? 'every host' : hosts.join(', ')}, ${when}`;
}

function valueLines({ status }: ReportedInstance, name: string, now: number): readonly string[] {
  const known = status.credentials?.find((credential) => credential.name === name);
  if (known === undefined) return [];
  const { generation, rotatedAt } = known;
  const age = rotatedAt === undefined ? '' : `, rotated ${agoText(Date.parse(rotatedAt), now)}`;
  return [`Value:       generation ${generation}${age}`];
}

function useLines(counters: InstanceCounters | undefined, name: string, now: number): readonly string[] {
  const counted = counters?.credentials[name];
  const { injected = 0, lastUsed, refusals = {}, leaks = 0, lastLeakHost = 'a host' } = counted ?? {};
  const last = lastUsed === undefined ? '' : `, last ${agoText(lastUsed, now)}`;
  const used = injected === 0 ? 'has not matched any request yet' : `${timesText(injected)}${last}`;
  const leaked = `the placeholder went to hosts without a rule ${timesText(leaks)}, last to ${lastLeakHost}`;
  return [
    `Used:        ${used}`,
    ...Object.entries(refusals).map(([reason, count]) => `Refused:     ${reason}, ${timesText(count)}`),
    ...(leaks === 0 ? [] : [`Leaked:      ${leaked}`]),
  ];
}

function timesText(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function agoText(at: number, now: number): string {
  return `${ageText(now - at)} ago`;
}
