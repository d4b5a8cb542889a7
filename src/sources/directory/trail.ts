import { lstat, readlink } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import type { Watches } from './watches.ts';

/** A name in a directory whose change may change what a path leads to. */
export type Step = { readonly directory: string; readonly name: string };

// MAXSYMLINKS of path_resolution(7).
const MAX_LINKS = 40;

/**
 * The steps that decide where a path leads: each symbolic link on the way, and the end of it or the first
 * name that is missing. `..data -> ..2024_11_22` of a ConfigMap volume is such a step.
 */
export async function trailOf(path: string): Promise<readonly Step[]> {
  const steps: Step[] = [];
  const { root } = parse(path);
  let directory = root;
  let names = namesOf(path);
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const at = join(directory, name);
    const target = await linkAt(at);
    if (target !== '' || names.length === 0) steps.push({ directory, name });
    if (target === undefined || links > MAX_LINKS) break;
    if (target === '') {
      directory = at;
      continue;
    }
    links += 1;
    names = [...namesOf(resolve(directory, target)), ...names];
    directory = root;
  }
  return steps;
}

/** Where a link points, '' for anything but a link, undefined when there is nothing. */
async function linkAt(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : '';
  } catch {
    return undefined;
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

/** Listens along a path's trail until the returned function is called; follow again after each change. */
export async function followPath(watches: Watches, path: string, onChange: () => void): Promise<() => void> {
  for (;;) {
    const trail = await trailOf(path);
    const releases = trail.map(({ directory, name }) => watches.listen(directory, name, onChange));
    const release = (): void => {
      for (const one of releases) one();
    };
    // What changed between looking and listening would never be told.
    if (sameTrail(trail, await trailOf(path))) return release;
    release();
  }
}

function sameTrail(one: readonly Step[], other: readonly Step[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
