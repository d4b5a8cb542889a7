import { watch } from 'node:fs';
import type { ReportedInstance } from '../api/reported.ts';
import { isAbsence, namesIn, readIfThere } from '../host/files.ts';

/**
 * What directory mode reports of its instances, by namespace and name. Files that are being removed, or
 * are not ours, are left out.
 */
export async function readReported(stateDir: string): Promise<readonly ReportedInstance[]> {
  const root = `${stateDir}/status`;
  const paths: string[] = [];
  for (const namespace of await namesIn(root))
    for (const file of await namesIn(`${root}/${namespace}`))
      if (/^[^.].*\.json$/.test(file)) paths.push(`${root}/${namespace}/${file}`);
  const found = await Promise.all(paths.map(readReport));
  return found.filter((instance) => instance !== undefined);
}

/** Calls `onChange` after each change of a report, perhaps more often. Nothing to watch yet is no error. */
export function watchReported(stateDir: string, onChange: () => void): { close(): void } {
  try {
    const watcher = watch(`${stateDir}/status`, { recursive: true }, onChange);
    // The directory itself may go; whoever watches looks from time to time all the same.
    watcher.on('error', () => undefined);
    return watcher;
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return { close: () => undefined };
  }
}

async function readReport(path: string): Promise<ReportedInstance | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const value: unknown = JSON.parse(text);
  return isReported(value) ? value : undefined;
}

/** Written whole by a controller of ours or not there at all: its kind is proof enough. */
function isReported(value: unknown): value is ReportedInstance {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Instance';
}
