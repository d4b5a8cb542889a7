import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { copyFile, symlink } from 'node:fs/promises';
import { runCommand } from '../../src/host/exec.ts';
import { addImage, makeLayer, nameInLayout } from './oci-layout.ts';

/** From Debian's package busybox-static: enough for what holds namespaces and for what holds a place. */
export const SMALL_IMAGE = 'small.test/busybox:1';
export const SMALL_REPOSITORY = 'small.test/busybox';

/** Makes an image of busybox in an OCI layout. */
export async function makeSmallImage(directory: string): Promise<void> {
  const work = await mkdtemp(`${tmpdir()}/hm-small-`);
  try {
    const layer = await makeLayer(`${work}/layer.tar`, async (root) => {
      await mkdir(`${root}/bin`);
      await copyFile('/bin/busybox', `${root}/bin/busybox`);
      for (const name of ['sh', 'sleep', 'true']) await symlink('busybox', `${root}/bin/${name}`);
    });
    const image = await addImage(directory, [layer], {
      Entrypoint: ['/bin/sleep', '2147483647'],
      Env: ['PATH=/bin'],
    });
    await nameInLayout(directory, '1', image);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Gives the images of an OCI layout to a containerd, for kubelets, as `repository:TAG`. */
export async function importImage(socket: string, layout: string, repository: string): Promise<void> {
  const script =
    'tar --create --directory="$1" . | ctr --address "$2" --namespace k8s.io images import --base-name "$3" -';
  const { exitCode, stderr } = await runCommand(
    'bash',
    ['-eo', 'pipefail', '-c', script, 'import', layout, socket, repository],
    {
      timeoutMs: 300_000,
    },
  );
  if (exitCode !== 0) throw new Error(`${repository} was not imported: ${stderr}`);
}
