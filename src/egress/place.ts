import { installationTag } from '../machine/ids.ts';
import type { Roots } from '../machine/paths.ts';

/**
 * The user and group of the egress process: in the range that systemd leaves to nobody (UIDS-GIDS.md of
 * systemd, 0x70000000 to 0x7FFFFFFE), at its upper end, where no number of instances (`ownerFor`) reaches.
 */
export const EGRESS_ID = 0x7fff_0000;

/** Every file of the egress process, absolute. */
export type EgressPlace = {
  /** One on this host: what the process is called where names of several installations meet. */
  readonly name: string;
  /** Root's: the identity of the process and its log. */
  readonly directory: string;
  readonly identity: string;
  readonly log: string;
  /** What the process was told of the world when it started. */
  readonly outside: string;
  /** The process's own: the CA of each instance. */
  readonly authorities: string;
  /** The process's own: nobody but it and root may enter, which is what guards the socket in it. */
  readonly socketDirectory: string;
  readonly socket: string;
};

export function egressPlace(roots: Roots): EgressPlace {
  const directory = `${roots.state}/egress`;
  const socketDirectory = `${roots.run}/egress`;
  return {
    name: `egress-${installationTag(roots.state)}`,
    directory,
    identity: `${directory}/process.json`,
    log: `${directory}/process.log`,
    outside: `${directory}/outside.json`,
    authorities: `${directory}/authorities`,
    socketDirectory,
    socket: `${socketDirectory}/control.sock`,
  };
}

/** What `ps` shows; also how a process that nobody recorded is found again. */
export function titleFor(socket: string): string {
  return `hypeman-egress ${socket}`;
}
