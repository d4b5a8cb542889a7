/** The host that an agent speaks for, as others can tell it from theirs. None of these holds a slash or a space. */
export type AgentHost = {
  /** The state directory, wherever it is: who has that has the machines and disks in it. */
  readonly directory: string;
  /** What its lock lets only one agent at a time have: this boot of the host, a dot, and the directory as it is there. */
  readonly lock: string;
  /** The machine, over its reboots. Absent: nothing tells it from its clones. */
  readonly hardware?: string;
};

const UNKNOWN = '-';

/** Who holds a node's Lease: `life` is nobody else's, not even that of an earlier process. */
export function holderTextFor(
  nodeName: string,
  { directory, lock, hardware = UNKNOWN }: AgentHost,
  life: string,
): string {
  return [nodeName, directory, hardware, lock, life].join('/');
}

/**
 * Whether the holder of a Lease was an agent of this very host, and so has certainly ended: by the lock that we have in
 * its place, or by a boot of the machine that it ran on. A clone of that machine, or one that cannot be told from it,
 * may be alive.
 */
export function hasCertainlyEnded(holder: string, nodeName: string, host: AgentHost): boolean {
  const [node, directory, hardware, lock] = holder.split('/');
  if (node !== nodeName || directory !== host.directory) return false;
  if (lock === host.lock) return true;
  // On the same boot it is a copy of the directory, and its agent may be alive.
  return host.hardware !== undefined && hardware === host.hardware && bootIn(lock) !== bootIn(host.lock);
}

function bootIn(lock: string | undefined): string | undefined {
  return lock?.split('.')[0];
}

/** What is noted with what a host takes. */
export function hostMark({ directory, hardware }: AgentHost): string {
  return hardware === undefined ? directory : `${directory} ${hardware}`;
}

/**
 * Whether a mark is that of another host. One of this machine is not: what it had in another directory is gone with
 * that, or with the boot that it ran on.
 */
export function isStrangersMark(mark: string, { directory, hardware }: AgentHost): boolean {
  const [itsDirectory, itsHardware] = mark.split(' ');
  return itsDirectory !== directory && (hardware === undefined || itsHardware !== hardware);
}
