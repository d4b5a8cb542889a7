import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hierarchiesIn } from '../../src/host/cgroups.ts';

/** Every hierarchy of this machine. */
export const hierarchies = hierarchiesIn(await readFile('/proc/self/mountinfo', 'utf8'));

/** Why no cgroups can be made here. */
export async function testCgroupMissing(): Promise<string | undefined> {
  if (hierarchies.length === 0) return 'no cgroup hierarchy of the host is mounted';
  const name = `/hypeman-test-right-${process.pid}`;
  try {
    await makeTestCgroup(name);
    return undefined;
  } catch (error) {
    return `no right to make cgroups: ${String(error)}`;
  } finally {
    await removeTestCgroup(name);
  }
}

/** In every hierarchy, ready to take processes. */
export async function makeTestCgroup(name: string): Promise<void> {
  for (const { at, controllers } of hierarchies) {
    await mkdir(`${at}${name}`);
    if (!controllers.includes('cpuset')) continue;
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      await writeFile(`${at}${name}/${file}`, await readFile(`${at}/${file}`));
  }
}

/** Waits for processes that are ending: one that was reaped leaves its cgroups a moment later. */
export async function removeTestCgroup(name: string): Promise<void> {
  for (const { at } of hierarchies)
    for (const path of (await treeOf(`${at}${name}`)).toReversed())
      while (existsSync(path)) await rmdir(path).catch(() => sleep(10));
}

export async function pidsInCgroup(name: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const { at } of hierarchies)
    for (const path of await treeOf(`${at}${name}`)) {
      const text = await readFile(`${path}/cgroup.procs`, 'utf8').catch(() => '');
      found.push(...text.split('\n').filter(Boolean).map(Number));
    }
  return found;
}

/** A cgroup and all below it, parents first. */
async function treeOf(path: string): Promise<readonly string[]> {
  if (!existsSync(path)) return [];
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => treeOf(`${path}/${name}`));
  return [path, ...(await Promise.all(below)).flat()];
}
