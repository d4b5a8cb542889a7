/**
 * The files of one snapshot. An instance in standby has one in its own directory; a base, from which forks
 * start, has one under `<state>/snapshots/`. The directory gets its name when all of it is there.
 */
export type SnapshotPaths = {
  readonly directory: string;
  readonly manifest: string;
  /** The whole RAM, sparse. Owned by root: frozen, and mapped privately by whoever runs on it. */
  readonly memory: string;
  readonly deviceState: string;
  /** Of a base: the disks that were frozen with it, `<serial>.img` each. */
  readonly disks: string;
};

export function snapshotPathsAt(directory: string): SnapshotPaths {
  return {
    directory,
    manifest: `${directory}/manifest.json`,
    memory: `${directory}/memory.img`,
    deviceState: `${directory}/devices.bin`,
    disks: `${directory}/disks`,
  };
}
