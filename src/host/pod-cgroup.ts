import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ProcessIdentity } from '../machine/machine.ts';
import { directoriesIn, hierarchiesIn, isOf, membershipsIn, OURS, removeEmpty } from './cgroups.ts';
import type { Hierarchy } from './cgroups.ts';
import { errorCode, isAbsence, readIfThere } from './files.ts';
import { identityOf, isAlive, signalProcess } from './processes.ts';

/** What of a Pod a machine is counted against; the others (cpuset, devices) are the holder's own affair. */
const COUNTED = ['memory', 'cpu', 'cpuacct', 'pids'];
/** Below a Pod's cgroup, beside those of its containers. */
const CHILD = 'vmm';
/** A collector may remove a new cgroup before its process is in it. */
const TRIES = 5;

/**
 * Moves a process into the child `vmm` of a Pod's cgroup in each hierarchy that counts memory, processor or
 * processes. `absent`: the kubelet has not made the Pod's cgroup (yet). A process that ended is left be.
 */
export async function joinPodCgroup(
  identity: ProcessIdentity,
  pod: string,
  hierarchies?: readonly Hierarchy[],
): Promise<'joined' | 'absent'> {
  const counting = countingIn(hierarchies ?? (await mountedHierarchies()));
  const places = await Promise.all(counting.map(({ at }) => findPodCgroup(at, pod)));
  const there = places.filter((place) => place !== undefined);
  if (there.length === 0 || there.length < counting.length) return 'absent';
  try {
    for (const place of there) await enter(identity, [join(place, CHILD)]);
    return 'joined';
  } catch (error) {
    // The Pod ended meanwhile.
    if (isAbsence(error)) return 'absent';
    throw error;
  }
}

/**
 * Takes a process out of whatever Pod's cgroup it is in, into `hypeman/NAME`, and removes what we made there: a kubelet
 * kills all that is in the cgroup of a Pod that ends. Out of none, it changes nothing.
 */
export async function leavePodCgroup(
  identity: ProcessIdentity,
  name: string,
  hierarchies?: readonly Hierarchy[],
): Promise<void> {
  for (const { at, path } of await podPlacesOf(identity, hierarchies ?? (await mountedHierarchies()))) {
    await enterOurs(identity, at, name);
    await removeEmpty(join(at, path));
  }
}

/**
 * Tells what still holds a Pod, without a machine in it, that it may end: SIGUSR1 to the processes of its
 * containers, as its placeholder understands it. Removes what we made there: with the systemd driver and version 2, a
 * kubelet of libcontainer before 1.0.3 leaves that to systemd, removes the Pod's cgroup by rmdir(2) (runc 3226), and
 * keeps the Pod until that succeeds; a systemd 239 leaves it, and so does one that the kubelet has lost.
 */
export async function endPodHolder(
  pod: string,
  bootId: string,
  hierarchies?: readonly Hierarchy[],
): Promise<void> {
  const counting = countingIn(hierarchies ?? (await mountedHierarchies()));
  const places = (await Promise.all(counting.map(({ at }) => podCgroupsIn(at, pod)))).flat();
  for (const place of places) await removeEmpty(join(place, CHILD));
  const containers = (await Promise.all(places.map(containersIn))).flat();
  for (const pid of new Set((await Promise.all(containers.map(pidsIn))).flat())) {
    const identity = await identityOf(pid, bootId);
    if (identity !== undefined) await signalProcess(identity, bootId, 'SIGUSR1');
  }
}

/**
 * The cgroup of a Pod below the root of a hierarchy, by either driver of the kubelet (pkg/kubelet/cm, cgroupfs and
 * systemd), for each quality of service, below `--cgroup-root` or `/`: `kubepods/burstable/pod<uid>`, or
 * `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid, underscores>.slice`. With the systemd driver and
 * version 2 a kubelet 1.20 makes both, and uses the latter: of several it is the one with containers in it.
 */
export async function findPodCgroup(root: string, pod: string): Promise<string | undefined> {
  const found = await podCgroupsIn(root, pod);
  if (found.length <= 1) return found[0];
  for (const place of found) if ((await containersIn(place)).length > 0) return place;
  return undefined;
}

async function podCgroupsIn(root: string, pod: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const parent of [root, ...(await below(root))])
    for (const kubepods of await below(parent, /(^|-)kubepods(\.slice)?$/)) {
      const classes = await below(kubepods, /(^|-)(burstable|besteffort)(\.slice)?$/);
      const pods = await Promise.all([kubepods, ...classes].map((place) => below(place)));
      found.push(...pods.flat().filter((path) => isOfPod(basename(path), pod)));
    }
  return found;
}

/** Theirs, below the cgroup of their Pod. */
async function containersIn(place: string): Promise<readonly string[]> {
  return below(place, new RegExp(`^(?!${CHILD}$)`));
}

function isOfPod(directory: string, pod: string): boolean {
  return directory === `pod${pod}` || directory.endsWith(`-pod${pod.replaceAll('-', '_')}.slice`);
}

/** Version 1 where it counts; else version 2, which has one hierarchy for all. */
function countingIn(hierarchies: readonly Hierarchy[]): readonly Hierarchy[] {
  const first = hierarchies.filter(({ controllers }) => controllers.some((one) => COUNTED.includes(one)));
  return first.length > 0 ? first : hierarchies.filter(({ controllers }) => controllers.length === 0);
}

type Place = { readonly at: string; readonly path: string };

/** Where it is in a child that we made. */
async function podPlacesOf(
  { pid }: ProcessIdentity,
  hierarchies: readonly Hierarchy[],
): Promise<readonly Place[]> {
  const memberships = membershipsIn((await readIfThere(`/proc/${pid}/cgroup`)) ?? '');
  const inPods = memberships.filter(({ path }) => IN_POD.test(path));
  return countingIn(hierarchies).flatMap((one) =>
    inPods.filter(({ controllers }) => isOf(one, controllers)).map(({ path }) => ({ at: one.at, path })),
  );
}

const IN_POD = new RegExp(`kubepods.*/${CHILD}$`);

/** Into the last of these, each made if need be; all threads of it (cgroups(7)). Never a stranger with its pid. */
async function enter(identity: ProcessIdentity, directories: readonly string[]): Promise<void> {
  for (const directory of directories)
    await mkdir(directory).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  if (!(await isAlive(identity, identity.bootId))) return;
  try {
    await writeFile(join(directories.at(-1) ?? '', 'cgroup.procs'), String(identity.pid), { flag: 'r+' });
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

async function enterOurs(identity: ProcessIdentity, at: string, name: string): Promise<void> {
  for (let tries = TRIES; ; tries -= 1)
    try {
      await enter(identity, [join(at, OURS), join(at, OURS, name)]);
      return;
    } catch (error) {
      if (!isAbsence(error) || tries === 1) throw error;
    }
}

async function pidsIn(cgroup: string): Promise<readonly number[]> {
  const lines = ((await readIfThere(join(cgroup, 'cgroup.procs'))) ?? '').split('\n');
  return lines.filter((line) => line !== '').map(Number);
}

async function mountedHierarchies(): Promise<readonly Hierarchy[]> {
  return hierarchiesIn(await readFile('/proc/self/mountinfo', 'utf8'));
}

async function below(parent: string, name = /./): Promise<readonly string[]> {
  return (await directoriesIn(parent)).filter((each) => name.test(each)).map((each) => join(parent, each));
}
