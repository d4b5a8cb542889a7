import { mkdirSync, watch } from 'node:fs';
import type { ReportedInstance } from '../api/reported.ts';
import { namesIn, readIfThere } from '../host/files.ts';

/* Stand-in until sources/directory lands. */
export async function readReported(stateDir: string): Promise<readonly ReportedInstance[]> {
  const found: ReportedInstance[] = [];
  for (const namespace of await namesIn(`${stateDir}/status`))
    for (const file of await namesIn(`${stateDir}/status/${namespace}`)) {
      const text =
        file.endsWith('.json') && !file.startsWith('.')
          ? await readIfThere(`${stateDir}/status/${namespace}/${file}`)
          : undefined;
      if (text !== undefined) found.push(JSON.parse(text) as ReportedInstance); // eslint-disable-line
    }
  return found;
}

export function watchReported(stateDir: string, onChange: () => void): { close(): Promise<void> } {
  mkdirSync(`${stateDir}/status`, { recursive: true });
  const watcher = watch(`${stateDir}/status`, { recursive: true }, onChange);
  return {
    close: () => {
      watcher.close();
      return Promise.resolve();
    },
  };
}
