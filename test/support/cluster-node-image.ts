import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { copyFile, symlink } from 'node:fs/promises';
import { runCommand } from '../../src/host/exec.ts';
import { addImage, makeLayer, nameInLayout } from './oci-layout.ts';

/** From Debian's package busybox-static: enough for what holds namespaces and for what holds a place. */
export const SMALL_IMAGE = 'small.test/busybox:1';

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

/** Gives the one image of an OCI layout to a containerd, for kubelets, under this name. */
export async function importImage(socket: string, layout: string, name: string): Promise<void> {
  const script =
    'tar --create --directory="$1" . | ctr --address "$2" --namespace k8s.io images import --index-name "$3" -';
  const { exitCode, stderr } = await runCommand(
    'bash',
    ['-eo', 'pipefail', '-c', script, 'import', layout, socket, name],
    {
      timeoutMs: 300_000,
    },
  );
  if (exitCode !== 0) throw new Error(`${name} was not imported: ${stderr}`);
}
