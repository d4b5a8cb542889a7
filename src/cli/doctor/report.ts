import { messageOf } from '../../errors.ts';
import { tableText } from '../table.ts';
import { fail } from './check.ts';
import type { Check, Finding, HostProbe } from './check.ts';

export type CheckResult = Finding & { readonly name: string };

/** Asks everything at once. A check that breaks is itself a finding: the others still count. */
export async function examine(checks: readonly Check[], host: HostProbe): Promise<readonly CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, look }) => {
      try {
        return { name, ...(await look(host)) };
      } catch (error) {
        return { name, ...fail(`could not be checked: ${messageOf(error)}`, 'mend the checks above first') };
      }
    }),
  );
}

/** A table; what is amiss is followed by its fix on a line of its own. */
export function reportText(results: readonly CheckResult[]): string {
  const rows = results.flatMap((result) => {
    const row = [result.name, result.level, result.means];
    return result.level === 'ok' ? [row] : [row, ['', '', `fix: ${result.fix}`]];
  });
  return tableText([['CHECK', 'RESULT', 'MEANING'], ...rows]);
}

/** A host with warnings works; with failures it does not. */
export function isFit(results: readonly CheckResult[]): boolean {
  return results.every(({ level }) => level !== 'fail');
}
