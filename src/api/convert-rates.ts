import type { QuantityKind } from './quantity-kind.ts';
import { parseQuantity, quantityText } from './quantity.ts';

export type ConvertedQuantity = { readonly word: unknown; readonly note?: string };

/**
 * A size or rate of the reference system with the bytes that the reference reads from it. It takes
 * some spellings for what few people mean by them (`125MBps` of a network is megabits to it, `1Gb/s` is
 * gigabytes); those are written out, and the note says so.
 */
export function quantityFromReference(kind: QuantityKind, field: string, word: unknown): ConvertedQuantity {
  if (typeof word !== 'string') return { word };
  const here = parseQuantity(kind, word);
  if (here.is === 'bytes') return { word };
  const meant = asReferenceReads(kind, word);
  if (meant === undefined) return { word, note: `${field} cannot be read here: ${here.message}` };
  return {
    word: meant,
    note: `${field} was "${word}", which the reference reads as ${meant}: written so, check that it was meant`,
  };
}

function asReferenceReads(kind: QuantityKind, word: string): string | undefined {
  if (kind === 'bandwidth') {
    const bits = /^([0-9]+) ?([kmg]?)bps$/.exec(word.trim().toLowerCase());
    if (bits !== null) return `${bits[1] ?? ''}${(bits[2] ?? '').toUpperCase()}bps`;
  }
  const folded = kind === 'diskRate' ? word : word.trim().toLowerCase();
  const size = kind === 'size' ? folded : folded.replace(/\/s$/, '').replace(/ps$/, '');
  const read = parseQuantity('size', size);
  return read.is === 'bytes' ? quantityText(kind === 'bandwidth' ? 'diskRate' : kind, read.bytes) : undefined;
}
