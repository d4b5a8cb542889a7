import type { Condition } from './status.ts';

/** What is told of a Volume: as `get volumes` shows it. Quantities in their canonical text, times in RFC 3339. */
export type ReportedVolume = {
  readonly namespace: string;
  readonly name: string;
  /** Of the disk, else as declared. */
  readonly size?: string;
  /** `default/web (read-write)` */
  readonly usedBy: readonly string[];
  readonly reclaimPolicy?: 'Retain' | 'Delete';
  /** When its disk was made. */
  readonly createdAt?: string;
  /** What it was filled with, if that was an image, with the digest. */
  readonly image?: string;
  /** `Retained`: its declaration is gone, or another node's, and its disk is here. */
  readonly state: 'Pending' | 'Filling' | 'Failed' | 'Available' | 'InUse' | 'Retained';
  /** What is wrong, or not as declared; how far it is filled. */
  readonly message?: string;
};

/** `Volume.status` of a cluster, written by the node that has it. */
export type VolumeStatus = Omit<ReportedVolume, 'namespace' | 'name' | 'reclaimPolicy'> & {
  readonly observedGeneration: number;
  readonly nodeName: string;
  readonly conditions: readonly Condition[];
};
