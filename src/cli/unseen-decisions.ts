import type { Decision } from '../egress/audit.ts';

/** The newest moment of which anything was seen, and how often each text was seen in it. */
type Mark = { readonly at: number; readonly texts: Map<string, number> };

/**
 * Tells new decisions from those of an earlier connection: each connection begins with the last decisions
 * again. Decisions about one instance come in their order; two of one millisecond may be equal in every word.
 */
export class UnseenDecisions {
  readonly #marks = new Map<string, Mark>();

  /** For one connection, from its beginning on. */
  connection(): (decision: Decision) => boolean {
    const heard = new Map<string, Mark>();
    return (decision) => this.#isNew(decision, heard);
  }

  #isNew(decision: Decision, heard: Map<string, Mark>): boolean {
    const { instance, at } = decision;
    const text = JSON.stringify(decision);
    const mark = this.#marks.get(instance);
    // From the first new one on, all are: a clock that is set back repeats nothing.
    const hasCaughtUp = mark !== undefined && heard.get(instance) === mark;
    if (mark === undefined || at > mark.at || (hasCaughtUp && at < mark.at)) {
      const next = { at, texts: new Map([[text, 1]]) };
      this.#marks.set(instance, next);
      heard.set(instance, next);
      return true;
    }
    if (at < mark.at) return false;
    if (!hasCaughtUp && isRepeated(mark, text, againOf(heard, instance, at))) return false;
    heard.set(instance, mark);
    count(mark, text);
    return true;
  }
}

/** What came over this connection of the newest moment. */
function againOf(heard: Map<string, Mark>, instance: string, at: number): Mark {
  const again = heard.get(instance) ?? { at, texts: new Map<string, number>() };
  heard.set(instance, again);
  return again;
}

function isRepeated(mark: Mark, text: string, again: Mark): boolean {
  return count(again, text) <= (mark.texts.get(text) ?? 0);
}

function count({ texts }: Mark, text: string): number {
  const times = (texts.get(text) ?? 0) + 1;
  texts.set(text, times);
  return times;
}
