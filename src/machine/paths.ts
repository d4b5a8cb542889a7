import type { InstanceId, SnapshotId } from './ids.ts';
import { snapshotPathsAt } from './snapshot-paths.ts';
import type { SnapshotPaths } from './snapshot-paths.ts';

/** The two roots of everything on disk: what survives a host reboot, and what does not. */
export type Roots = {
  /** `/var/lib/hypeman` */
  readonly state: string;
  /** `/run/hypeman`: sockets; short, because a socket path holds 107 bytes (unix(7), sun_path). */
  readonly run: string;
};

/** Every file of one instance, absolute. */
export type InstancePaths = {
  readonly directory: string;
  readonly record: string;
  /** Of a fork: what it was left by its source; root's alone. */
  readonly inheritance: string;
  readonly overlay: string;
  /** The RAM of a machine whose memory is a file; there only while its VMM is. */
  readonly memory: string;
  /** What a suspended machine left, until it is restored or given up. */
  readonly standby: SnapshotPaths;
  readonly bootArchive: string;
  readonly bootFields: string;
  readonly consoleLog: string;
  readonly vmmLog: string;
  readonly vmmIdentity: string;
  readonly runDirectory: string;
  /** The hypervisor's control socket. */
  readonly controlSocket: string;
  /** The byte stream to init: the control channel. */
  readonly guestSocket: string;
};

export function pathsFor(roots: Roots, id: InstanceId): InstancePaths {
  const directory = `${roots.state}/instances/${id}`;
  const runDirectory = `${roots.run}/${id}`;
  return {
    directory,
    record: `${directory}/record.json`,
    inheritance: `${directory}/inherited.json`,
    overlay: `${directory}/overlay.img`,
    memory: `${directory}/memory.img`,
    standby: snapshotPathsAt(`${directory}/standby`),
    bootArchive: `${directory}/boot.cpio`,
    bootFields: `${directory}/boot.json`,
    consoleLog: `${directory}/console.log`,
    vmmLog: `${directory}/vmm.log`,
    vmmIdentity: `${directory}/vmm.json`,
    runDirectory,
    controlSocket: `${runDirectory}/vmm.sock`,
    guestSocket: `${runDirectory}/guest.sock`,
  };
}

/** A frozen base: what forks start from. It belongs to no instance. */
export function basePathsFor(roots: Roots, id: SnapshotId): SnapshotPaths {
  return snapshotPathsAt(`${basesDirectory(roots)}/${id}`);
}

export function basesDirectory(roots: Roots): string {
  return `${roots.state}/snapshots`;
}
