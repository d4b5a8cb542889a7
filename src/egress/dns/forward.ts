import { askServer } from './ask-server.ts';
import type { NameServer } from './ask-server.ts';
import { REFUSED, SERVFAIL, emptyReply } from './message.ts';
import type { Question, Reply } from './message.ts';
import type { NameServers } from './name-servers.ts';

/** Asks the world. Never throws: what nobody answers in time is SERVFAIL. */
export type Forward = (question: Question) => Promise<Reply>;

export type ForwardTimes = { readonly eachMs: number; readonly allMs: number };
const TIMES: ForwardTimes = { eachMs: 1600, allMs: 5000 };
const ROUNDS = 3;

/**
 * Tries one server after the other; when none of them said anything, all of them again, for at most five
 * seconds. A server that cannot answer is not asked twice.
 */
export function openForward(servers: NameServers, times = TIMES): Forward {
  return async (question) => {
    const end = performance.now() + times.allMs;
    for (let round = 0; round < ROUNDS; round += 1) {
      let said: Reply | undefined;
      for (const server of await servers()) {
        const leftMs = Math.min(times.eachMs, end - performance.now());
        const reply = leftMs > 0 ? await replyOf(server, question, leftMs) : undefined;
        if (reply !== undefined && reply.code !== SERVFAIL && reply.code !== REFUSED) return reply;
        said = reply ?? said;
      }
      if (said !== undefined) return said;
    }
    return emptyReply(SERVFAIL);
  };
}

async function replyOf(server: NameServer, question: Question, ms: number): Promise<Reply | undefined> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, ms);
  try {
    return await askServer(server, question, late.signal);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
