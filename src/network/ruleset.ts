import { chainsOf, frames } from './chains.ts';
import { PROXYS_PORTS } from './mediation-chains.ts';
import type { Chain, Policy } from './policy.ts';
import { FAMILIES, SETS, elementsOf } from './guest-elements.ts';
import type { Element, Family, Guest } from './guest-elements.ts';

/** Without the family, which is both `netdev` (at the taps) and `inet` (everything behind them). */
export function tableFor(tag: string): string {
  return `hypeman-${tag}`;
}

/**
 * One transaction (nft -f): whatever our tables were, they are these afterwards, and no packet sees anything
 * between. Every device of `guests` must exist.
 */
export function wholeRuleset(policy: Policy, guests: readonly Guest[]): string {
  const { tag } = policy;
  return [
    removedTables(tag).trimEnd(),
    ...block('netdev', tag, [frames(policy)]),
    ...block('inet', tag, chainsOf(policy)),
    ...guests.map((guest) => admission(tag, guest)),
    '',
  ].join('\n');
}

/**
 * Lets one guest in: its elements and the chain on its device. Safe to repeat; the device must exist, and no
 * element of another mediation may (`dismissal` of those, in the same transaction).
 */
export function admission(tag: string, guest: Guest): string {
  const chain = `netdev ${tableFor(tag)} ${guest.tap}`;
  return [
    `add chain ${chain} { type filter hook ingress device "${guest.tap}" priority -500; policy drop; }`,
    `flush chain ${chain}`,
    `add rule ${chain} goto frames`,
    ...together(elementsOf(guest)).map((elements) => `add element ${inTable(tag, elements)}`),
  ].join('\n');
}

/** Takes elements and chains out again. What is not there is added first, because deleting nothing is an error. */
export function dismissal(tag: string, elements: readonly Element[], chains: readonly string[]): string {
  return [
    ...together(elements).flatMap((some) =>
      ['add', 'delete'].map((verb) => `${verb} element ${inTable(tag, some)}`),
    ),
    ...chains.flatMap((chain) =>
      ['add', 'flush', 'delete'].map((verb) => `${verb} chain netdev ${tableFor(tag)} ${chain}`),
    ),
    '',
  ].join('\n');
}

/** No guest is left: nothing of ours is, either. `destroy` is newer than Debian 12's nft. */
export function removedTables(tag: string): string {
  return FAMILIES.map((family) => `${family} ${tableFor(tag)}`)
    .map((table) => `add table ${table}\ndelete table ${table}\n`)
    .join('');
}

/** By address: how many questions a guest asked lately. The kernel adds its elements and forgets them. */
const QUESTIONS = 'set questions { type ipv4_addr; size 65535; flags dynamic, timeout; timeout 1m; }';

function block(family: Family, tag: string, chains: readonly Chain[]): readonly string[] {
  return [
    `table ${family} ${tableFor(tag)} {`,
    ...Object.values(SETS[family]).map((set) => `  ${set}`),
    ...(family === 'inet' ? [PROXYS_PORTS, QUESTIONS].map((set) => `  ${set}`) : []),
    ...chains.flatMap(({ name, lines }) => [
      `  chain ${name} {`,
      ...lines.map((line) => `    ${line}`),
      '  }',
    ]),
    '}',
  ];
}

/** Elements of one set each, in the order of their first. */
function together(elements: readonly Element[]): readonly (readonly [Element, ...Element[]])[] {
  const sets = new Map<string, [Element, ...Element[]]>();
  for (const element of elements) {
    const name = `${element.family} ${element.set}`;
    const others = sets.get(name);
    if (others === undefined) sets.set(name, [element]);
    else others.push(element);
  }
  return [...sets.values()];
}

function inTable(tag: string, elements: readonly [Element, ...Element[]]): string {
  const [{ family, set }] = elements;
  const texts = [...new Set(elements.map(({ text }) => text))];
  return `${family} ${tableFor(tag)} ${set} { ${texts.join(', ')} }`;
}
