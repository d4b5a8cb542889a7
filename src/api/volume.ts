import type { VolumeSource } from '../machine/volume.ts';

export type ReclaimPolicy = 'Retain' | 'Delete';

/** The user's words of a Volume after validation and defaults. */
export type VolumeSpec = {
  readonly bytes: number;
  /** The path of an archive as it was written: relative to the declaring file. */
  readonly source?: VolumeSource;
  readonly reclaimPolicy: ReclaimPolicy;
};

export type Volume = { readonly namespace: string; readonly name: string; readonly spec: VolumeSpec };
