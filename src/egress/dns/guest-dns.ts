import { isIP } from 'node:net';
import type { Guest } from '../proxy/guest.ts';
import { tell } from '../proxy/guest.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { Forward } from './forward.ts';
import { localReply } from './local-reply.ts';
import {
  NOERROR,
  NXDOMAIN,
  REFUSED,
  addressesIn,
  answerTo,
  bareRefusal,
  emptyReply,
  readQuestion,
} from './message.ts';
import type { Question, Reply } from './message.ts';

/** The world of names behind the forwarder. */
export type Names = {
  readonly forward: Forward;
  /** Addresses of names that no server is asked for; lower case. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  readonly isPublicAddress: (address: string) => boolean;
};

/** A build that resolves hundreds of names at once fits; a tunnel of 50 names a second carries next to nothing. */
const QUESTIONS_PER_SECOND = 50;
const QUESTION_BURST = 200;
/** Each holds a socket for up to five seconds. */
const MOST_OUTSTANDING = 100;
const LONGEST_TCP = 65_535;
const TOLD_EVERY_MS = 1000;

/** Answers the questions of one instance. */
export class GuestDns {
  readonly #guest: Guest;
  readonly #names: Names;
  readonly #rate: TokenBucket;
  #outstanding = 0;
  readonly #toldAt = new Map<string, number>();

  constructor(guest: Guest, names: Names) {
    this.#guest = guest;
    this.#names = names;
    this.#rate = new TokenBucket(QUESTIONS_PER_SECOND, QUESTION_BURST, guest.parts.now());
  }

  /** The answer to a message, or undefined for one that gets none. Never throws. */
  async answer(bytes: Buffer, over: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const { policies, now } = this.#guest.parts;
    if (!this.#rate.take(now()) || this.#outstanding >= MOST_OUTSTANDING) {
      this.refuse('DnsLimited', '');
      return bareRefusal(bytes, REFUSED);
    }
    const asked = readQuestion(bytes);
    if (asked.is === 'noise') return undefined;
    if (asked.is === 'unfit') return asked.answer;
    const { question } = asked;
    const isServed = policies.of(this.#guest.instance) !== undefined;
    const reply = isServed ? await this.#replyTo(question) : emptyReply(REFUSED);
    return answerTo(question, reply, over === 'udp' ? question.udpBytes : LONGEST_TCP);
  }

  /** Tells of a refusal, at most once a second for each reason: a guest can ask faster than anybody can read. */
  refuse(reason: string, host: string): void {
    const at = this.#guest.parts.now();
    if (at - (this.#toldAt.get(reason) ?? -Infinity) < TOLD_EVERY_MS) return;
    this.#toldAt.set(reason, at);
    tell({ guest: this.#guest, way: 'dns' }, { host, verdict: 'refused', reason });
  }

  async #replyTo(question: Question): Promise<Reply> {
    const { forward, hosts } = this.#names;
    const known = localReply(question, hosts);
    if (known !== undefined) return this.#counted(known);
    this.#outstanding += 1;
    try {
      return this.#counted(this.#checked(question, await forward(question)));
    } finally {
      this.#outstanding -= 1;
    }
  }

  /**
   * One private address among the answers spoils them all. NXDOMAIN, since clients believe it and stop;
   * after REFUSED they would ask again and tell their users of a temporary failure.
   */
  #checked(question: Question, reply: Reply): Reply {
    const isPublic = addressesIn(reply).every((one) => isIP(one) !== 0 && this.#names.isPublicAddress(one));
    if (isPublic) return reply;
    this.refuse('PrivateAnswer', question.name);
    return emptyReply(NXDOMAIN);
  }

  #counted(reply: Reply): Reply {
    if (reply.code === NOERROR || reply.code === NXDOMAIN)
      this.#guest.parts.audit.resolved(this.#guest.instance);
    return reply;
  }
}
