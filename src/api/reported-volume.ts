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
  /** `Retained`: its declaration is gone, its disk is not. */
  readonly state: 'Pending' | 'Filling' | 'Failed' | 'Available' | 'InUse' | 'Retained';
  /** What is wrong, or not as declared. */
  readonly message?: string;
};
