import { groupOfDevice } from '../../host/device-nodes.ts';
import type { Owner } from '../../machine/machine.ts';

/** Program and arguments; the first word is the program. */
export type CommandLine = readonly [string, ...string[]];

/**
 * The command as this user from its first instruction on: no core file, since it would hold the
 * guest's memory; no capability, none to gain. prlimit(1) and setpriv(1) become the command by
 * exec, so that the pid and its start time are those of the command itself.
 */
export function confined(command: CommandLine, owner: Owner, groups: readonly number[]): CommandLine {
  return [
    ...(['prlimit', '--core=0'] as const),
    ...['setpriv', '--reuid', String(owner.uid), '--regid', String(owner.gid)],
    ...['--groups', [owner.sharedGid, ...groups].join(',')],
    ...['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', '--'],
    ...command,
  ];
}

/** The groups that let a VMM open these device nodes, beside the shared one. */
export async function deviceGroups(nodes: readonly string[], sharedGid: number): Promise<readonly number[]> {
  const groups = await Promise.all(nodes.map((node) => groupOfDevice(node, sharedGid)));
  return [...new Set(groups.filter((gid) => gid !== undefined).filter((gid) => gid !== sharedGid))];
}
