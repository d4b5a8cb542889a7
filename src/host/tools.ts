import { isExecutable } from './files.ts';

/** A program that is run by name, and the Debian package that brings it. */
export type Tool = { readonly tool: string; readonly package: string; readonly purpose: string };

/** Everything the controller runs. Debian 12 and 13 have each of these names. */
const TOOLS: readonly Tool[] = [
  { tool: 'ip', package: 'iproute2', purpose: 'network devices' },
  { tool: 'tc', package: 'iproute2', purpose: 'bandwidth limits' },
  { tool: 'nft', package: 'nftables', purpose: 'the guard of each guest' },
  { tool: 'qemu-system-x86_64', package: 'qemu-system-x86', purpose: 'running machines' },
  { tool: 'skopeo', package: 'skopeo', purpose: 'pulling images' },
  { tool: 'umoci', package: 'umoci', purpose: 'unpacking images' },
  { tool: 'mkfs.erofs', package: 'erofs-utils', purpose: 'root disks' },
  { tool: 'mkfs.ext4', package: 'e2fsprogs', purpose: 'overlay disks' },
  { tool: 'resize2fs', package: 'e2fsprogs', purpose: 'growing overlay disks' },
  { tool: 'e2fsck', package: 'e2fsprogs', purpose: 'growing overlay disks' },
  { tool: 'setpriv', package: 'util-linux', purpose: 'running machines unprivileged' },
  { tool: 'prlimit', package: 'util-linux', purpose: 'limits of machine processes' },
  { tool: 'flock', package: 'util-linux', purpose: 'the lock of the state directory' },
  { tool: 'xz', package: 'xz-utils', purpose: 'unpacking a guest kernel' },
];

/** As `runCommand` has it: what is found here will be found there. */
const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Which of these this host lacks; looks at file modes only and runs nothing. */
export async function toolsMissing(
  tools: readonly Tool[] = TOOLS,
  directories: readonly string[] = DIRECTORIES,
): Promise<readonly Tool[]> {
  const found = await Promise.all(tools.map(({ tool }) => isInstalled(tool, directories)));
  return tools.filter((_, at) => found[at] === false);
}

/** The same, in the words that a condition shows. */
export async function missingTools(): Promise<readonly { readonly tool: string; readonly fix: string }[]> {
  const missing = await toolsMissing();
  return missing.map((one) => ({ tool: one.tool, fix: `apt-get install ${one.package}` }));
}

async function isInstalled(tool: string, directories: readonly string[]): Promise<boolean> {
  const found = await Promise.all(directories.map((directory) => isExecutable(`${directory}/${tool}`)));
  return found.includes(true);
}
