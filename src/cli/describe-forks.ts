import type { ReportedInstance } from '../api/reported.ts';
import { printable } from './printable.ts';

/**
 * The forks of an instance and theirs, a line each, by name; empty without any. `neighbours`: all of its namespace.
 * A fork is told by its source's name: one of an earlier instance of that name is told here, too.
 */
export function forksText(source: ReportedInstance, neighbours: readonly ReportedInstance[]): string {
  const lines = linesOf(source.metadata.name, neighbours, new Set([source.metadata.name]));
  return lines.length === 0 ? '' : `Forks:\n${lines.map((line) => `  ${printable(line)}\n`).join('')}`;
}

/** `seen`: a name that was used again may be its own fork's. */
function linesOf(
  source: string,
  neighbours: readonly ReportedInstance[],
  seen: Set<string>,
): readonly string[] {
  const forks = neighbours
    .filter(({ status, metadata }) => status.fork?.source === source && !seen.has(metadata.name))
    .sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
  for (const { metadata } of forks) seen.add(metadata.name);
  return forks.flatMap(({ metadata: { name }, status }) => [
    `${name} (${status.state ?? 'Unknown'})`,
    ...linesOf(name, neighbours, seen).map((line) => `  ${line}`),
  ]);
}
