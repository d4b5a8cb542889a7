export type ReclaimPolicy = 'Retain' | 'Delete';

/** The user's words of a Volume after validation and defaults. */
export type VolumeSpec = {
  readonly bytes: number;
  /** A tar archive that fills a new disk, as it was written: relative to the declaring file. */
  readonly archive?: string;
  readonly reclaimPolicy: ReclaimPolicy;
};

export type Volume = { readonly namespace: string; readonly name: string; readonly spec: VolumeSpec };
