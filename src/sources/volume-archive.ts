import { dirname, resolve } from 'node:path';
import type { Volume } from '../api/volume.ts';

/** A relative archive starts at the declaring file. */
export function located(volume: Volume, file: string): Volume {
  const { archive } = volume.spec;
  if (archive === undefined) return volume;
  return { ...volume, spec: { ...volume.spec, archive: resolve(dirname(file), archive) } };
}
