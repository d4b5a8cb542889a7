import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

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

const AGENT = new URL('agent.ts', import.meta.url).pathname;

/** A real process for each node: memory is judged for each. */
export async function startAgent(kubeconfig: string, nodeName: string): Promise<Agent> {
  const child = fork(AGENT, [kubeconfig, nodeName], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
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
  const [message] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('an agent ended by itself');
    }),
  ])) as [unknown];
  return message;
}

/** All requests but watches. */
export function requestsOf(all: readonly AgentFigures[]): number {
  const counts = all.flatMap(({ answers }) => Object.entries(answers));
  return counts.filter(([name]) => !name.startsWith('WATCH')).reduce((sum, [, count]) => sum + count, 0);
}
