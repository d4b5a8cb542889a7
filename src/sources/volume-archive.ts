import { dirname, resolve } from 'node:path';
import type { Volume } from '../api/volume.ts';

/** A relative archive starts at the declaring file. */
export function located(volume: Volume, file: string): Volume {
  const { source } = volume.spec;
  if (source?.from !== 'archive') return volume;
  const path = resolve(dirname(file), source.path);
  return { ...volume, spec: { ...volume.spec, source: { from: 'archive', path } } };
}
