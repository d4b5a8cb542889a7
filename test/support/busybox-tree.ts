import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What systemd does with the agent: SIGRTMIN+4 ends it all, and everybody is told. */
const FULL_SYSTEM = `#!/bin/sh
stop() { kill -TERM -1; sleep 1; poweroff -f; }
trap stop 38
while :; do sleep 0.1; done
`;

/** Makes a root of busybox, three users, a full system, and a file that is not executable. */
export async function fillTree(tree: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'etc', 'tmp', 'root', 'home/ann'])
    await mkdir(join(tree, name), { recursive: true });
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  await chmod(join(tree, 'bin/busybox'), 0o755);
  await chmod(join(tree, 'tmp'), 0o1777);
  const applets =
    'sh cat echo sleep id pwd env dd head tail md5sum stty kill ls mount date hostname stat seq od ip grep test poweroff';
  for (const name of applets.split(' ')) await symlink('busybox', join(tree, 'bin', name));
  await writeFile(
    join(tree, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n',
  );
  await writeFile(join(tree, 'etc/group'), 'root:x:0:\nann:x:1001:\nstaff:x:50:ann\nwheel:x:10:\n');
  await writeFile(join(tree, 'sbin/init'), FULL_SYSTEM, { mode: 0o755 });
  await writeFile(join(tree, 'etc/plain.txt'), 'plain words\n');
}
