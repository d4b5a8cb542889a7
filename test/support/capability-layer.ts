import { readFile, utimes, writeFile } from 'node:fs/promises';
import { commandOutput } from '../../src/host/exec.ts';

/** VFS_CAP_REVISION_2 with cap_net_raw permitted and effective (linux/capability.h). */
export const CAP_NET_RAW = Buffer.from('0100000200200000000000000000000000000000', 'hex');

/** A layer in `directory` with the one file `ping`. Without setcap(8), which a host may lack: the extended header (pax(1), SCHILY.xattr) is written here. */
export async function layerWithCapability(directory: string, mtimeS: number): Promise<string> {
  const tarFile = `${directory}/with-capability.tar`;
  const file = `${directory}/ping`;
  await writeFile(file, 'x');
  await utimes(file, mtimeS, mtimeS);
  await commandOutput('tar', [
    '--create',
    '--format=ustar',
    `--file=${tarFile}`,
    `--directory=${directory}`,
    'ping',
  ]);
  const tar = await readFile(tarFile);
  const text = Buffer.concat([
    Buffer.from(' SCHILY.xattr.security.capability='),
    CAP_NET_RAW,
    Buffer.from('\n'),
  ]);
  const data = Buffer.alloc(512);
  text.copy(data, data.write(`${text.length + 2}`));
  await writeFile(tarFile, Buffer.concat([extendedHeader(tar.subarray(0, 512), text.length + 2), data, tar]));
  return tarFile;
}

/** Of a ustar header (POSIX.1, pax): typeflag at 156, size at 124, checksum at 148 taken over eight spaces. */
function extendedHeader(of: Buffer, size: number): Buffer {
  const header = Buffer.from(of);
  header.write('x', 156);
  header.write(size.toString(8).padStart(11, '0'), 124);
  header.write(' '.repeat(8), 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
