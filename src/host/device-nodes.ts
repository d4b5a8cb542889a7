import { chmod, chown, stat } from 'node:fs/promises';

const GROUP_READ_WRITE = 0o060;
const OTHERS_READ_WRITE = 0o006;

/**
 * The group that a process needs to open this device node for reading and writing; undefined when
 * everybody may. A node that root keeps for itself is given to `fallback`: udev's own rules open
 * /dev/net/tun to all (systemd, 50-udev-default.rules), but hosts without udev have it 0600, and the
 * alternative, a VMM in group root, would be worse. Throws what stat(2) says when there is no node.
 */
export async function groupOfDevice(path: string, fallback: number): Promise<number | undefined> {
  const { mode, gid } = await stat(path);
  if ((mode & OTHERS_READ_WRITE) === OTHERS_READ_WRITE) return undefined;
  if ((mode & GROUP_READ_WRITE) === GROUP_READ_WRITE && gid !== 0) return gid;
  await chown(path, 0, fallback);
  await chmod(path, 0o660);
  return fallback;
}
