import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Document, LineCounter, Pair } from 'yaml';

/** Lines and columns count from 1, as editors do. */
export type Position = { readonly line: number; readonly column: number };

type Pointer = readonly (string | number)[];

/** Where a pointer leads in a document's text: its key or list entry, or the deepest part of it that exists. */
export function positionOf(document: Document, lines: LineCounter, pointer: Pointer): Position {
  let offset = offsetOf(document.contents) ?? document.range?.[0] ?? 0;
  let node: unknown = document.contents;
  for (const step of pointer) {
    const next = stepInto(resolved(document, node), step);
    if (next === undefined) break;
    offset = next.offset ?? offset;
    node = next.node;
  }
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function stepInto(
  node: unknown,
  step: string | number,
): { offset?: number | undefined; node: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { offset: offsetOf(item), node: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((one: Pair) => isScalar(one.key) && String(one.key.value) === String(step));
  return pair === undefined ? undefined : { offset: offsetOf(pair.key), node: pair.value };
}

function resolved(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
