import { isObject, member, nftObjects, textOf } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Guest } from './ruleset.ts';
import { TAP_PREFIX } from '../machine/ids.ts';

/** Our tables as the kernel has them. */
export type ListedRuleset = {
  /** Every chain and rule that is not one tap's, in one text: the same text is the same rules. */
  readonly common: string;
  /** The elements of each tap: one in each table when all is well. */
  readonly guests: ReadonlyMap<string, readonly Guest[]>;
  /** Chains of taps; the value is what stands in them. */
  readonly tapChains: ReadonlyMap<string, string>;
};

/** What stands in each tap's chain, as `ListedRuleset` has it. */
export const TAP_CHAIN = '[{"goto":{"target":"frames"}}]';

/** From `nft -j list table`, once for each table. */
export function listedRuleset(texts: readonly string[]): ListedRuleset {
  const common: string[] = [];
  const tapChains = new Map<string, string>();
  const guests = new Map<string, Guest[]>();
  for (const entry of texts.flatMap(nftObjects)) {
    const { chain, rule, set } = entry;
    if (isObject(chain)) noteChain(chain);
    if (isObject(rule)) noteRule(rule);
    if (isObject(set))
      for (const guest of guestsOf(set)) guests.set(guest.tap, [...(guests.get(guest.tap) ?? []), guest]);
  }
  return { common: common.join('\n'), guests, tapChains };

  function noteChain(chain: JsonObject): void {
    const name = textOf(chain.name);
    if (name.startsWith(TAP_PREFIX)) tapChains.set(name, tapChains.get(name) ?? '');
    else common.push(withoutHandle(chain));
  }

  function noteRule(rule: JsonObject): void {
    const chain = textOf(rule.chain);
    if (chain.startsWith(TAP_PREFIX))
      tapChains.set(chain, `${tapChains.get(chain) ?? ''}${JSON.stringify(rule.expr)}`);
    else common.push(withoutHandle(rule));
  }
}

function guestsOf(set: JsonObject): readonly Guest[] {
  const elements = set.name === 'guests' ? set.elem : undefined;
  if (!Array.isArray(elements)) return [];
  return elements.flatMap((element: unknown) => {
    const parts = member(element, 'concat');
    if (!Array.isArray(parts)) return [];
    const [tap, mac, ip] = parts.map(textOf);
    return tap === undefined || mac === undefined || ip === undefined ? [] : [{ tap, mac, ip }];
  });
}

/** Handles count up with each change; everything else is what was written. */
function withoutHandle(entry: JsonObject): string {
  return JSON.stringify({ ...entry, handle: 0 });
}
