import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HypemanError } from '../errors.ts';
import { errorCode, isAbsence, readIfThere } from './files.ts';

/** Below the root of each hierarchy: one for each process that outlives us, empty or gone once it is gone. */
export const OURS = 'hypeman';
/** A collector may remove a new cgroup before its process is in it; the next try makes it again. */
const TRIES = 10;

/**
 * Takes a process that we started out of the cgroups of the container that we run in, into `hypeman/NAME` of each
 * hierarchy: whoever ends a container kills everything that is in its cgroups, and counts it against its limits.
 * Changes nothing outside of containers: there a service manager owns our cgroup. A process that ended is left be.
 * Throws `HostCgroupsMissing` when the host's hierarchies cannot be reached.
 */
export async function outliveContainer(pid: number, name: string): Promise<void> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  if (!isContained(mounts, await readFile('/proc/1/mountinfo', 'utf8'))) return;
  await leaveCgroups(pid, name, hierarchiesIn(mounts));
  await forgetPriority(pid);
}

/**
 * Whether we see the host's process table from a root of our own: then our processes outlive our container if they
 * leave its cgroups. Without the host's table they end with PID 1 whatever we do. Two texts of proc_pid_mountinfo(5).
 */
export function isContained(own: string, initProcess: string): boolean {
  return rootOf(own) !== rootOf(initProcess);
}

/** Device and directory of what is mounted on / last, over everything before. */
function rootOf(mountinfo: string): string | undefined {
  return mountLines(mountinfo).findLast(({ at }) => at === '/')?.source;
}

/** A hierarchy of the host's cgroups that is mounted here whole; version 2 has no controllers in its name. */
export type Hierarchy = { readonly at: string; readonly controllers: readonly string[] };

/** From the root of the host's cgroup namespace only: what a container shows of its own part begins elsewhere. */
export function hierarchiesIn(mountinfo: string): readonly Hierarchy[] {
  return mountLines(mountinfo)
    .filter(({ type, root }) => (type === 'cgroup' || type === 'cgroup2') && root === '/')
    .map(({ at, type, words }) => ({ at, controllers: type === 'cgroup2' ? [] : words }));
}

/** Moves a process into `hypeman/NAME` of each hierarchy in which it is anywhere but at the root. */
export async function leaveCgroups(
  pid: number,
  name: string,
  hierarchies: readonly Hierarchy[],
): Promise<void> {
  const memberships = membershipsIn((await readIfThere(`/proc/${pid}/cgroup`)) ?? '');
  for (const { controllers } of memberships.filter(({ path }) => path !== '/')) {
    const hierarchy = hierarchies.find((one) => isOf(one, controllers));
    if (hierarchy === undefined) throw hostCgroupsMissing(controllers);
    await enter(hierarchy, name, pid);
  }
}

/** Removes each cgroup of ours that no process is in, whoever made it. */
export async function collectCgroups(): Promise<void> {
  for (const { at } of hierarchiesIn(await readFile('/proc/self/mountinfo', 'utf8'))) {
    for (const name of await directoriesIn(join(at, OURS))) await removeEmpty(join(at, OURS, name));
    await removeEmpty(join(at, OURS));
  }
}

export async function directoriesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

/** Leaves it be while there are processes or cgroups in it: then the kernel refuses. Repeatable. */
export async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isOneOf(error, 'EBUSY', 'ENOENT')) throw error;
  }
}

async function enter(hierarchy: Hierarchy, name: string, pid: number): Promise<void> {
  for (let tries = TRIES; ; tries -= 1)
    try {
      for (const path of [OURS, join(OURS, name)]) await makeCgroup(hierarchy, path);
      // All threads of it (cgroups(7)). Never created: a cgroup that is gone must be seen.
      await writeFile(join(hierarchy.at, OURS, name, 'cgroup.procs'), String(pid), { flag: 'r+' });
      return;
    } catch (error) {
      if (isOneOf(error, 'ESRCH')) return;
      // ENODEV: removed between its opening and the write (kernfs).
      if (!isOneOf(error, 'ENOENT', 'ENODEV') || tries === 1) throw error;
    }
}

async function makeCgroup({ at, controllers }: Hierarchy, path: string): Promise<void> {
  await mkdir(join(at, path)).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  if (!controllers.includes('cpuset')) return;
  // Version 1 takes no process into a cpuset that names no processor and no memory (cpuset(7)).
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if ((await readFile(join(at, path, file), 'utf8')).trim() !== '') continue;
    const inherited = await readFile(join(at, path, '..', file), 'utf8');
    await writeFile(join(at, path, file), inherited.trim(), { flag: 'r+' });
  }
}

/** Set by the kubelet so that the container is killed first when memory runs out. Lowering it is not every root's. */
async function forgetPriority(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/oom_score_adj`, '0', { flag: 'r+' }).catch((error: unknown) => {
    if (!isOneOf(error, 'EACCES', 'EPERM', 'ESRCH', 'ENOENT')) throw error;
  });
}

function isOneOf(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(errorCode(error) ?? '');
}

export function isOf(hierarchy: Hierarchy, controllers: readonly string[]): boolean {
  if (controllers.length === 0) return hierarchy.controllers.length === 0;
  return controllers.every((one) => hierarchy.controllers.includes(one));
}

/** Lines of cgroups(7): `4:memory:/path`, `1:name=systemd:/path`, and of version 2 `0::/path`. */
export function membershipsIn(
  text: string,
): readonly { readonly controllers: readonly string[]; readonly path: string }[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, controllers = '', ...path] = line.split(':');
      return { controllers: controllers === '' ? [] : controllers.split(','), path: path.join(':') };
    });
}

type Mounted = {
  readonly source: string;
  readonly root: string;
  readonly at: string;
  readonly type: string;
  readonly words: readonly string[];
};

/** `36 35 98:0 /root /at options [optional...] - type source words` (proc_pid_mountinfo(5)). */
function mountLines(mountinfo: string): readonly Mounted[] {
  return mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [left = '', right = ''] = line.split(' - ');
      const [, , device = '', root = '', at = ''] = left.split(' ');
      const [type = '', , words = ''] = right.split(' ');
      return { source: `${device} ${root}`, root, at, type, words: words.split(',') };
    });
}

function hostCgroupsMissing(controllers: readonly string[]): HypemanError {
  const name = controllers.length === 0 ? 'version 2' : controllers.join(',');
  return new HypemanError(
    'transient',
    'HostCgroupsMissing',
    `this controller runs in a container and would take its machines along when it ends: mount the host's ` +
      `/sys/fs/cgroup into it as manifests/base/agent.yaml does (the hierarchy ${name} is not there)`,
  );
}
