import { describe, expect, test } from 'vitest';
import {
  hasCertainlyEnded,
  holderTextFor,
  hostMark,
  isStrangersMark,
} from '../../../../src/sources/kubernetes/agent-host.ts';
import type { AgentHost } from '../../../../src/sources/kubernetes/agent-host.ts';

const UNTOLD: AgentHost = { directory: 'dir-1', lock: 'boot-1.8.2' };
const HOST: AgentHost = { ...UNTOLD, hardware: 'machine-1' };
type Verdict = { readonly hasEnded: boolean; readonly isStranger: boolean };
const GONE: Verdict = { hasEnded: true, isStranger: false };
const UNSURE: Verdict = { hasEnded: false, isStranger: false };
const STRANGER: Verdict = { hasEnded: false, isStranger: true };
const CASES: readonly [string, AgentHost, AgentHost, Verdict][] = [
  ['the same one', HOST, HOST, GONE],
  ['the same one, booted again', HOST, { ...HOST, lock: 'boot-2.8.2' }, GONE],
  ['the same one, booted again, which nothing tells', UNTOLD, { ...UNTOLD, lock: 'boot-2' }, UNSURE],
  ['the same machine with a copy of its directory', HOST, { ...HOST, lock: 'boot-1.8.3' }, UNSURE],
  ['a clone of its disk', HOST, { ...HOST, lock: 'boot-2', hardware: 'machine-2' }, UNSURE],
  ['the same machine with an empty directory', HOST, { ...HOST, directory: 'dir-2' }, UNSURE],
  ['another one', HOST, { directory: 'dir-2', lock: 'boot-2', hardware: 'machine-2' }, STRANGER],
  ['another one, which nothing tells', UNTOLD, { directory: 'dir-2', lock: 'boot-2' }, STRANGER],
];

describe('after a host, as its Lease and its marks show it', () => {
  test.each(CASES)('%s', (_name, before, after, { hasEnded, isStranger }) => {
    const holder = holderTextFor('node-a', before, 'life');
    expect(hasCertainlyEnded(holder, 'node-a', after)).toBe(hasEnded);
    expect(hasCertainlyEnded(holder, 'node-b', after)).toBe(false);
    expect(isStrangersMark(hostMark(before), after)).toBe(isStranger);
  });
});
