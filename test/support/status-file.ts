import { readFile } from 'node:fs/promises';
import type { ReportedInstance } from '../../src/api/reported.ts';
import type { Place } from './controller-process.ts';

/** The status as it lies on disk: quicker to ask again and again than a command is to start. */
export async function readStatusFile(place: Place, name: string): Promise<ReportedInstance | undefined> {
  try {
    const text = await readFile(`${place.stateDir}/status/default/${name}.json`, 'utf8');
    return JSON.parse(text) as ReportedInstance;
  } catch {
    return undefined;
  }
}
