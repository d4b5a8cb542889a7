import { resolve } from 'node:path';
import type { Command } from 'commander';
import { collect } from './command.ts';
import { usageFault } from './faults.ts';
import type { DeclarationsPlace } from './run-options.ts';

/** What commander makes of the options below. */
export type DeclarationsFlags = {
  readonly watch?: readonly string[];
  readonly pruneAll?: true;
  readonly kubernetes?: true;
  readonly kubeconfig?: string;
  readonly context?: string;
};

/** Where Instances are declared. */
export function addDeclarationsOptions(command: Command): void {
  command
    .option('--watch <dir>', 'a directory of declarations; may be given several times', collect)
    .option('--prune-all', 'remove instances even when a whole directory is empty or gone')
    .option('--kubernetes', 'instances are declared in a cluster: this is the agent of one node')
    .option('--kubeconfig <file>', "how to reach it; default is the Pod's own service account")
    .option('--context <name>', 'a context of the kubeconfig; default is its current one');
}

/** These options as one word of `RunOptions`, and what else was given. Throws a usage fault for what does not fit. */
export function takeDeclarations<T extends DeclarationsFlags>(
  flags: T,
): { readonly declarations: DeclarationsPlace; readonly others: Omit<T, keyof DeclarationsFlags> } {
  const { watch = [], pruneAll = false, kubernetes = false, kubeconfig, context, ...others } = flags;
  const declarations = kubernetes
    ? clusterOf({ watch, pruneAll }, kubeconfig, context)
    : directoriesOf(watch, pruneAll, kubeconfig ?? context);
  return { declarations, others };
}

function directoriesOf(watch: readonly string[], pruneAll: boolean, cluster?: string): DeclarationsPlace {
  if (cluster !== undefined)
    throw usageFault('--kubeconfig and --context belong to --kubernetes: give it too');
  if (watch.length === 0)
    throw usageFault('nothing is declared: name a directory with --watch DIR, or give --kubernetes');
  return {
    in: 'directories',
    watch: [...new Set(watch.map((directory) => resolve(directory)))],
    pruneAll,
  };
}

function clusterOf(
  { watch, pruneAll }: { readonly watch: readonly string[]; readonly pruneAll: boolean },
  path?: string,
  context?: string,
): DeclarationsPlace {
  if (watch.length > 0) throw usageFault('--kubernetes and --watch are two sources: choose one');
  if (pruneAll) throw usageFault('--prune-all is for directories: leave it out with --kubernetes');
  if (path === undefined && context !== undefined)
    throw usageFault('--context belongs to a --kubeconfig: give it too');
  if (path === undefined) return { in: 'cluster' };
  const named = context === undefined ? {} : { context };
  return { in: 'cluster', kubeconfig: { path: resolve(path), ...named } };
}
