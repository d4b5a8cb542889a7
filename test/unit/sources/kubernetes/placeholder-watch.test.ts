import { afterEach, expect, test } from 'vitest';
import { pino } from 'pino';
import { keyOf } from '../../../../src/machine/ids.ts';
import type { ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { objectIn } from '../../../../src/sources/kubernetes/kubernetes-object.ts';
import type { KubernetesObject } from '../../../../src/sources/kubernetes/kubernetes-object.ts';
import { placeholderNameFor } from '../../../../src/sources/kubernetes/placement/placeholder-words.ts';
import { PlaceholderWatch } from '../../../../src/sources/kubernetes/tenure/placeholder-watch.ts';

const WEB = keyOf('default', 'web');

function pod(uid: string, more: KubernetesObject['document'] = {}): KubernetesObject['document'] {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: {
      ...{ namespace: 'default', name: placeholderNameFor('web', 'one'), uid, resourceVersion: '3' },
      labels: { 'hypeman.dev/placeholder': 'true' },
      annotations: { 'hypeman.dev/instance': 'web', 'hypeman.dev/instance-uid': 'one' },
      ...more,
    },
    spec: { nodeName: 'node-a' },
  };
}

function web(annotations: Readonly<Record<string, string>>, status = {}): KubernetesObject {
  const metadata = { namespace: 'default', name: 'web', uid: 'one', resourceVersion: '5', annotations };
  const found = objectIn({ metadata, status });
  if (found === undefined) throw new Error('no object');
  return found;
}

const watches: PlaceholderWatch[] = [];
afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
});

/** A watch of node-a over a server that has one Pod. */
async function watching(one: KubernetesObject['document']): Promise<PlaceholderWatch> {
  const list = { status: 200, body: { metadata: { resourceVersion: '4' }, items: [one] } };
  const api: ApiServer = {
    ask: () => Promise.resolve(list),
    stream: () => new Promise(() => undefined),
    close: () => undefined,
  };
  const log = pino({ level: 'silent' });
  const watch = new PlaceholderWatch({ api, nodeName: 'node-a', log, onChange: () => undefined });
  watches.push(watch);
  await watch.start();
  return watch;
}

const NOTE = 'hypeman.dev/placeholder-pod';
const HOLDER = 'hypeman.dev/held-by';

test.each([
  ['that placement noted', web({ [NOTE]: 'real 2 1073741824' }), 'bound'],
  ['by which this node took it', web({ [NOTE]: 'last', [HOLDER]: 'node-a one real' }), 'bound'],
  [
    'of an Instance that this node has and on which nothing is noted',
    web({}, { nodeName: 'node-a' }),
    'bound',
  ],
  ['in place of the one that placement noted', web({ [NOTE]: 'last' }), undefined],
  [
    'in place of the one by which this node took it',
    web({ [NOTE]: 'last', [HOLDER]: 'node-a one last' }),
    undefined,
  ],
  ['before placement noted any', web({}), undefined],
  ['of an Instance that this node took by its own word', web({ [HOLDER]: 'node-a one' }), undefined],
  ['of one that was brought here, and that nobody noted', web({ [HOLDER]: 'node-a one kept' }), 'bound'],
  ['of an Instance that another node has', web({}, { nodeName: 'node-b' }), undefined],
])('a Pod %s', async (_, instance, is) => {
  const watch = await watching(pod('real'));
  expect(watch.boundFor(instance)?.sight.uid).toBe(is === undefined ? undefined : 'real');
  // What is not its Pod is no cgroup for its machine, either.
  expect(watch.placeOf(WEB, instance)?.is).toBe(is);
});

test('a Pod that ends is told, whoever made it, and one of an Instance that is not known yet is not taken for its own', async () => {
  const ending = await watching(pod('real', { deletionTimestamp: '2026-11-22T12:00:00Z' }));
  expect(ending.placeOf(WEB, web({ [NOTE]: 'real' }))).toEqual({ is: 'over', uid: 'real' });
  const bound = await watching(pod('real'));
  expect(bound.placeOf(WEB, undefined)).toEqual({ is: 'unknown' });
});
