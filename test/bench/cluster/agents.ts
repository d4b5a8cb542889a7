import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { commandOutput } from '../../../src/host/exec.ts';
import type { Account } from './account.ts';

/** What an agent's process says of itself. Times are milliseconds since the epoch, with fractions. */
export type AgentFigures = {
  /** Requests by method and status. */
  readonly answers: Readonly<Record<string, number>>;
  /** When something was first done for each instance. */
  readonly actedAt: Readonly<Record<string, number>>;
  /** When the proxy last had a policy of each instance. */
  readonly rotatedAt: Readonly<Record<string, number>>;
  /** Bytes, now and at most. */
  readonly rss: number;
  readonly mostRss: number;
  readonly cpuSeconds: number;
};

export type Agent = {
  readonly nodeName: string;
  /** `forget`: its times begin anew after this. */
  ask(word: 'figures' | 'forget'): Promise<AgentFigures>;
  end(): Promise<void>;
};

const ROOT = new URL('../../../', import.meta.url).pathname;
const BUILT = `${ROOT}.cache/bench-agent`;

/**
 * The agent as JavaScript, which is what is published: a Node that strips types itself is 80 MB larger for it.
 * Returns its path.
 */
export async function buildAgent(): Promise<string> {
  const tsc = `${ROOT}node_modules/typescript/bin/tsc`;
  await commandOutput(process.execPath, [tsc, '-p', `${ROOT}test/bench/cluster/tsconfig.json`]);
  for (const name of ['crds', 'package.json'])
    await cp(`${ROOT}${name}`, `${BUILT}/${name}`, { recursive: true });
  return `${BUILT}/test/bench/cluster/agent.js`;
}

/** A real process for each node, with what the kubelet gives to a container: memory is judged for each. */
export async function startAgent(program: string, account: Account, nodeName: string): Promise<Agent> {
  const child = fork(program, [account.directory, nodeName], {
    env: { ...process.env, ...account.env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await heard(child);
  return {
    nodeName,
    ask: async (word) => {
      const answer = heard(child);
      child.send(word);
      return (await answer) as AgentFigures;
    },
    end: async () => {
      const ended = once(child, 'exit');
      child.send('end');
      await ended;
    },
  };
}

async function heard(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  try {
    const [message] = (await Promise.race([
      once(child, 'message', over),
      once(child, 'exit', over).then(() => {
        throw new Error('an agent ended by itself');
      }),
    ])) as [unknown];
    return message;
  } finally {
    over.abort();
  }
}

/** All requests but watches. */
export function requestsOf(all: readonly AgentFigures[]): number {
  const counts = all.flatMap(({ answers }) => Object.entries(answers));
  return counts.filter(([name]) => !name.startsWith('WATCH')).reduce((sum, [, count]) => sum + count, 0);
}

export function cpuSecondsOf(all: readonly AgentFigures[]): number {
  return all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}
