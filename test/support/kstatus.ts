import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';

/** What kstatus calls an object, and Flux with it. */
export type Kstatus = 'Current' | 'InProgress' | 'Failed' | 'Terminating';

/**
 * kstatus' rules for a custom resource, in its order (sigs.k8s.io/cli-utils, pkg/kstatus): being deleted; a
 * generation that was not observed, where one is told at all; the first of Reconciling and Stalled that is True;
 * Ready. An object that says nothing is taken for current.
 */
export function kstatusOf(object: Mapping): Kstatus {
  if (textAt(object, ['metadata', 'deletionTimestamp']) !== undefined) return 'Terminating';
  const observed = valueAt(object, ['status', 'observedGeneration']);
  if (observed !== undefined && observed !== valueAt(object, ['metadata', 'generation'])) return 'InProgress';
  const conditions = listOf(valueAt(object, ['status', 'conditions']));
  const isTrue = (one: unknown): boolean => textAt(one, ['status']) === 'True';
  const abnormal = conditions.find((one) => isAbnormal(one) && isTrue(one));
  if (abnormal !== undefined) return textAt(abnormal, ['type']) === 'Stalled' ? 'Failed' : 'InProgress';
  const ready = conditions.find((one) => textAt(one, ['type']) === 'Ready');
  return ready === undefined || isTrue(ready) ? 'Current' : 'InProgress';
}

function isAbnormal(condition: unknown): boolean {
  return ['Reconciling', 'Stalled'].includes(textAt(condition, ['type']) ?? '');
}
