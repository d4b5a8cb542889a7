import { FAMILIES, SETS } from './guest-elements.ts';
import type { Element, Family } from './guest-elements.ts';
import { isObject, member, nftObjects, textOf } from './json.ts';
import type { JsonObject } from './json.ts';
import { TAP_PREFIX } from '../machine/ids.ts';

/** Our tables as the kernel has them. */
export type ListedRuleset = {
  /** Every chain and rule that is not one tap's, in one text: the same text is the same rules. */
  readonly common: string;
  /** The elements of each tap. */
  readonly elements: ReadonlyMap<string, readonly Element[]>;
  /** Chains of taps; the value is what stands in them. */
  readonly tapChains: ReadonlyMap<string, string>;
};

/** What stands in each tap's chain, as `ListedRuleset` has it. */
export const TAP_CHAIN = '[{"goto":{"target":"frames"}}]';

/** From `nft -j list table`, once for each table. */
export function listedRuleset(texts: readonly string[]): ListedRuleset {
  const common: string[] = [];
  const tapChains = new Map<string, string>();
  const elements = new Map<string, Element[]>();
  for (const entry of texts.flatMap(nftObjects)) {
    const { chain, rule } = entry;
    const set = entry.set ?? entry.map;
    if (isObject(chain)) noteChain(chain);
    if (isObject(rule)) noteRule(rule);
    if (isObject(set)) noteElements(set);
  }
  return { common: common.join('\n'), elements, tapChains };

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

  function noteElements(set: JsonObject): void {
    const family = FAMILIES.find((one) => one === set.family);
    const name = textOf(set.name);
    if (family === undefined || !isOfGuests(family, name) || !Array.isArray(set.elem)) return;
    for (const entry of set.elem as readonly unknown[]) {
      const [tap, ...others] = wordsOf(entry);
      if (tap === undefined) continue;
      const element = { family, set: name, text: `"${tap}" ${others.join(' ')}` };
      elements.set(tap, [...(elements.get(tap) ?? []), element]);
    }
  }
}

function isOfGuests(family: Family, set: string): boolean {
  return Object.hasOwn(SETS[family], set);
}

/** As they are written: a set's element is its key, a map's a pair of that and a value. */
function wordsOf(element: unknown): readonly string[] {
  if (!Array.isArray(element)) return keyOf(element);
  const [key, value] = element as readonly unknown[];
  return [...keyOf(key), ':', ...valueOf(value)];
}

function keyOf(key: unknown): readonly string[] {
  const parts = member(key, 'concat');
  if (!Array.isArray(parts)) return [wordOf(key)];
  return parts.flatMap((part: unknown, at) => (at === 0 ? [wordOf(part)] : ['.', wordOf(part)]));
}

function valueOf(value: unknown): readonly string[] {
  for (const verb of ['goto', 'jump']) {
    const target = member(member(value, verb), 'target');
    if (target !== undefined) return [verb, wordOf(target)];
  }
  return [wordOf(value)];
}

/** Something that we would not write stays in sight, as an element that nobody should have. */
function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Handles count up with each change; everything else is what was written. */
function withoutHandle(entry: JsonObject): string {
  return JSON.stringify({ ...entry, handle: 0 });
}
