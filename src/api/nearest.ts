/** What people bring along from containers and from the reference system. */
const ALIASES: Readonly<Record<string, string>> = {
  memory: 'size',
  mem: 'size',
  ram: 'size',
  cpu: 'vcpus',
  cpus: 'vcpus',
  command: 'entrypoint',
  args: 'cmd',
  environment: 'env',
  labels: 'tags',
  disk: 'overlaySize',
  runState: 'state',
};

/** The one of `names` that was most likely meant, or undefined when none is close. */
export function nearestOf(written: string, names: readonly string[]): string | undefined {
  const alias = Object.hasOwn(ALIASES, written) ? ALIASES[written] : undefined;
  if (alias !== undefined && names.includes(alias)) return alias;
  const bare = bareOf(written);
  const same = names.find((name) => bareOf(name) === bare);
  if (same !== undefined) return same;
  // One slip in a short word, two or three in a longer one.
  const allowed = Math.min(3, Math.floor(bare.length / 3));
  const ranked = names.map((name) => ({ name, slips: slipsBetween(bare, bareOf(name)) }));
  const best = ranked.sort((one, other) => one.slips - other.slips)[0];
  return best !== undefined && best.slips <= Math.max(1, allowed) && bare.length > 1 ? best.name : undefined;
}

/** `hotplug_size`, `hotplug-size` and `HotplugSize` are one word to a person. */
function bareOf(name: string): string {
  return name.slice(0, 64).replace(/[_-]/g, '').toLowerCase();
}

/** Levenshtein's distance, with a swap of two neighbours as one slip. */
function slipsBetween(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, at) => at)];
  const cell = (row: number, column: number): number => rows[row]?.[column] ?? Infinity;
  for (let row = 1; row <= one.length; row++) {
    rows.push([row]);
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwap = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      const ways = [
        cell(row - 1, column),
        cell(row, column - 1),
        cell(row - 1, column - 1) - (isSame ? 1 : 0),
      ];
      rows[row]?.push(1 + Math.min(...ways, isSwap ? cell(row - 2, column - 2) : Infinity));
    }
  }
  return cell(one.length, other.length);
}
