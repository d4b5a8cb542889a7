import { chmod, chown, copyFile, lchown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { commandOutput } from '../../src/host/exec.ts';
import { addImage, makeLayer, nameInLayout } from './oci-layout.ts';
import type { OciConfig } from './oci-layout.ts';

export type DemoImageOptions = {
  /** `latest` unless told. */
  readonly tag?: string;
  /** Over the demo's own configuration, key by key. */
  readonly config?: OciConfig;
  /** More files, by absolute path in the image, over the demo's own; owned by root. */
  readonly files?: Readonly<Record<string, { readonly text: string; readonly mode?: number }>>;
};

/** The uid and gid of the user `app`, whose home is /home/app. */
export const APP_UID = 1000;
/** Where the demo's web server listens unless env PORT says otherwise. */
export const DEMO_PORT = 8080;

/** From Debian's package busybox-static. */
const BUSYBOX = '/bin/busybox';
const DIRECTORIES = 'bin sbin usr/bin usr/sbin dev etc home mnt proc root run sys var www'.split(' ');

/** `exec`, so that httpd is the program itself and gets the signals. */
const START = `#!/bin/sh
# The page is written at each start: an edit of GREETING shows after a restart.
mkdir -p /tmp/www
{ cat /www/index.html; echo "<p>\${GREETING:-Hello} from $(hostname)</p>"; } >/tmp/www/index.html
echo "demo: \${GREETING:-Hello} from $(hostname), port \${PORT:-${DEMO_PORT}}"
exec httpd -f -p "\${PORT:-${DEMO_PORT}}" -h /tmp/www
`;
const ETC: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0:root:/root:/bin/sh\napp:x:${APP_UID}:${APP_UID}:app:/home/app:/bin/sh\n`,
  group: `root:x:0:\napp:x:${APP_UID}:\nstaff:x:50:app\n`,
  shells: '/bin/sh\n',
};

/**
 * Makes an OCI layout in `directory` (added to when there is one) that holds busybox with all its
 * applets, the users root and `app`, and a small web page that greets with env GREETING. Its program
 * answers HTTP on `DEMO_PORT`. Returns `oci:DIRECTORY:TAG`. Needs root, for the owners of its files.
 */
export async function makeDemoImage(directory: string, options: DemoImageOptions = {}): Promise<string> {
  const tag = options.tag ?? 'latest';
  await mkdir(directory, { recursive: true });
  const work = await mkdtemp(`${tmpdir()}/hypeman-demo-`);
  try {
    const layer = await makeLayer(`${work}/layer.tar`, (root) => fillDemo(root, options.files ?? {}));
    const image = await addImage(directory, [layer], {
      Entrypoint: ['/bin/demo'],
      Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DEMO=yes'],
      WorkingDir: '/www',
      ...options.config,
    });
    await nameInLayout(directory, tag, image);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return `oci:${directory}:${tag}`;
}

async function fillDemo(root: string, files: NonNullable<DemoImageOptions['files']>): Promise<void> {
  await chmod(root, 0o755);
  for (const name of DIRECTORIES) await mkdir(`${root}/${name}`, { recursive: true });
  await mkdir(`${root}/tmp`);
  await chmod(`${root}/tmp`, 0o1777);
  await fillBusybox(root);
  for (const [name, text] of Object.entries(ETC)) await writeFile(`${root}/etc/${name}`, text);
  await mkdir(`${root}/home/app`, { mode: 0o700 });
  await chown(`${root}/home/app`, APP_UID, APP_UID);
  await writeFile(`${root}/www/index.html`, '<h1>hypeman-controller</h1>\n');
  await writeExecutable(`${root}/bin/demo`, START);
  for (const [path, { text, mode }] of Object.entries(files)) {
    await mkdir(dirname(`${root}${path}`), { recursive: true });
    await writeFile(`${root}${path}`, text);
    await chmod(`${root}${path}`, mode ?? 0o644);
  }
}

/** One binary under the names of all its applets; what is in the way of a link is left as it is. */
async function fillBusybox(root: string): Promise<void> {
  await copyFile(BUSYBOX, `${root}/bin/busybox`);
  await chmod(`${root}/bin/busybox`, 0o755);
  const applets = (await commandOutput(BUSYBOX, ['--list-full'])).split('\n');
  for (const applet of applets.filter((path) => path !== 'bin/busybox' && path.includes('/'))) {
    await mkdir(dirname(`${root}/${applet}`), { recursive: true });
    await symlink('/bin/busybox', `${root}/${applet}`);
    await lchown(`${root}/${applet}`, 0, 0);
  }
}

async function writeExecutable(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o755);
}
