import { setTimeout as sleep } from 'node:timers/promises';
import type { Decision } from '../egress/audit.ts';
import { reasonOf } from '../errors.ts';
import type { InstanceKey } from '../machine/ids.ts';
import { drained } from '../serve/drained.ts';
import type { CliContext } from './context.ts';
import type { ControllerClient } from './controller-client.ts';
import { decisionText, missedText } from './decision-rows.ts';
import type { DecisionText } from './decision-rows.ts';
import { UnseenDecisions } from './unseen-decisions.ts';

export type DecisionsWanted = {
  /** Absent: of every instance. */
  readonly key?: InstanceKey;
  readonly follow: boolean;
  readonly isWanted: (decision: Decision) => boolean;
  readonly text: DecisionText;
};

const AGAIN_MS = 500;
/** The controller, its proxy, or the connection to either is gone for now. */
const PASSING = new Set([
  ...['NoController', 'ControllerUnreachable', 'ConnectionLost'],
  ...['ProxyUnavailable', 'SocketUnreachable'],
  // The same in a cluster, where the way leads over the API server and the node's agent.
  ...['ApiServerUnreachable', 'NoNode', 'NoAgent', 'AgentUnreachable'],
]);

/**
 * Prints the kept decisions in the order of their time and, with `follow`, what comes after them, until the
 * signal or until the instance is removed. Who follows waits for a controller that went away; nothing is
 * printed twice for that. Throws `NoController` when there is none at the beginning.
 */
export async function printDecisions(
  context: CliContext,
  client: ControllerClient,
  wanted: DecisionsWanted,
): Promise<void> {
  const { signal, stderr } = context;
  const session = sessionOf(context, client, wanted);
  await session.showKept();
  let isWaiting = false;
  while (wanted.follow && session.goesOn()) {
    const ending = await endingOf(async () => {
      await session.showKept();
      isWaiting = false;
      await session.showNew();
    });
    if (ending === 'removed' || !session.goesOn()) return;
    if (ending === 'failed' && !isWaiting)
      stderr.write('note: the controller or its egress proxy is gone: waiting for it\n');
    isWaiting = ending === 'failed';
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** `ended`: there is no process now, as long as nothing is mediated. Rethrows what will not pass by itself. */
async function endingOf(work: () => Promise<void>): Promise<'ended' | 'failed' | 'removed'> {
  try {
    await work();
    return 'ended';
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === 'NotFound') return 'removed';
    if (!PASSING.has(reason)) throw error;
    return 'failed';
  }
}

type Session = {
  readonly showKept: () => Promise<void>;
  readonly showNew: () => Promise<void>;
  /** Nobody interrupted, and somebody still reads. */
  readonly goesOn: () => boolean;
};

function sessionOf(context: CliContext, client: ControllerClient, wanted: DecisionsWanted): Session {
  const { signal, stdout } = context;
  const unseen = new UnseenDecisions();
  const textOf = decisionText(wanted.text);
  const one = wanted.key === undefined ? {} : { key: wanted.key };
  const write = async (text: string): Promise<void> => {
    if (text !== '' && !stdout.write(text)) await drained(stdout, signal);
  };
  return {
    goesOn: () => !signal.aborted && stdout.writable,
    showKept: async () => {
      const isNew = unseen.connection();
      const kept: Decision[] = [];
      for await (const followed of client.decisions({ ...one, follow: false, signal }))
        if (followed.is === 'decision' && isNew(followed.decision)) kept.push(followed.decision);
      // They come instance by instance.
      kept.sort((before, after) => before.at - after.at);
      await write(textOf(kept.filter(wanted.isWanted)));
    },
    showNew: async () => {
      const isNew = unseen.connection();
      for await (const followed of client.decisions({ ...one, follow: true, signal })) {
        if (followed.is === 'missed') await write(missedText(followed.count, wanted.text.format));
        else if (isNew(followed.decision) && wanted.isWanted(followed.decision))
          await write(textOf([followed.decision]));
        if (!stdout.writable) return;
      }
    },
  };
}
