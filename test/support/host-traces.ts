import { directoriesIn } from '../../src/host/cgroups.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { argumentsOf } from '../../src/host/processes.ts';
import type { ClusterNode } from './cluster-node.ts';
import { hierarchies } from './test-cgroup.ts';

/** Directories of a node: images, kernels and what the proxy has are the host's, not an instance's. */
const OF_INSTANCES = ['state/instances', 'state/volumes', 'state/snapshots', 'run'];

/**
 * What a node has of instances, a line for each: machines, taps, whoever listens, elements of nftables sets, directories,
 * and of `ids` the cgroups (those of other nodes on this machine are in the same place). Two lists of an idle node
 * are equal.
 */
export async function hostTraces(
  { directory, network }: ClusterNode,
  ids: readonly string[] = [],
): Promise<readonly string[]> {
  const inside = (...words: readonly string[]): Promise<string> =>
    commandOutput('nsenter', [`--net=/run/netns/${network.namespace}`, ...words]);
  const commands = await Promise.all((await network.pids()).map((pid) => argumentsOf(pid)));
  const machines = commands.map((words) => words.join(' ')).filter((line) => line.startsWith('qemu-system'));
  const links = (await inside('ip', '-brief', 'link')).match(/^hm-\S+/gm) ?? [];
  const listeners = (await inside('ss', '-Hltun')).match(/\S+:\d+(?= +\S+:\*)/g) ?? [];
  const elements = (await inside('nft', 'list', 'ruleset')).match(/"hm-\w{12}"/g) ?? [];
  const files = await Promise.all(
    OF_INSTANCES.map(async (path) =>
      (await directoriesIn(`${directory}/${path}`)).map((name) => `${path}/${name}`),
    ),
  );
  const cgroups = await Promise.all(hierarchies.map(({ at }) => directoriesIn(`${at}/hypeman`)));
  const found = [
    ...machines.map((line) => `machine ${line.slice(0, 80)}`),
    ...links.map((name) => `link ${name}`),
    ...listeners.map((address) => `listener ${address}`),
    ...elements.map((name) => `nft ${name}`),
    ...files.flat().map((path) => `directory ${path}`),
    ...cgroups
      .flat()
      .filter((name) => ids.includes(name))
      .map((name) => `cgroup ${name}`),
  ];
  return [...new Set(found)].toSorted();
}
