import { canonicalText } from '../spec-text.ts';
import type { Known } from './known-instances.ts';

/** Everything that a pass reads. The generation stands for the spec. */
export function isSameToPasses(before: Known | undefined, now: Known): boolean {
  return before?.isClaimed === true && canonicalText(essenceOf(before)) === canonicalText(essenceOf(now));
}

function essenceOf({ declared }: Known): unknown {
  if (declared.is === 'gone') return declared;
  const { is, uid, generation, refused } = declared;
  if (is === 'held') return { is, uid, generation, refused };
  const { labels, annotations } = declared.instance;
  return { is, uid, generation, refused, labels, annotations };
}
