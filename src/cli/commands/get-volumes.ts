import type { CliContext } from '../context.ts';
import { EXIT } from '../faults.ts';
import type { Fleet } from '../fleet.ts';
import type { Rendering } from '../render.ts';
import { volumesText } from '../volumes-text.ts';

/** What `get` is asked with, to mean volumes: kubectl's own spellings. */
const WORDS = ['volumes', 'volume', 'volumes.hypeman.dev', 'ivol'];

export function meansVolumes([first = '']: readonly string[]): boolean {
  return WORDS.includes(first);
}

export type VolumesAsked = {
  readonly names: readonly string[];
  /** Absent: every namespace. */
  readonly namespace?: string;
  readonly format: Rendering['format'];
  readonly headers: boolean;
};

/** `get volumes [names...]` */
export async function getVolumes(
  context: CliContext,
  fleet: Fleet,
  { names, namespace, format, headers }: VolumesAsked,
): Promise<void> {
  const found = (await fleet.volumes()).filter(
    (volume) =>
      (namespace === undefined || volume.namespace === namespace) &&
      (names.length === 0 || names.includes(volume.name)),
  );
  const namespaces = namespace === undefined;
  context.stdout.write(volumesText(found, { format, headers, namespaces, now: context.now() }));
  const missing = names.filter((name) => !found.some((volume) => volume.name === name));
  for (const name of missing) context.stderr.write(`there is no volume ${name}\n`);
  if (missing.length > 0) context.setExitCode(EXIT.failed);
  else if (found.length === 0) context.stderr.write('No volumes found.\n');
}
