import { afterEach, describe, expect, test } from 'vitest';
import { pino } from 'pino';
import { openParser } from '../../../../src/api/parser.ts';
import { mappingOf } from '../../../../src/api/raw.ts';
import { keyOf } from '../../../../src/machine/ids.ts';
import type { AgentHost } from '../../../../src/sources/kubernetes/agent-host.ts';
import type { Answer, ApiServer } from '../../../../src/sources/kubernetes/api-server.ts';
import { InstanceWatch } from '../../../../src/sources/kubernetes/instance-watch.ts';
import { objectIn } from '../../../../src/sources/kubernetes/kubernetes-object.ts';
import type { KubernetesObject } from '../../../../src/sources/kubernetes/kubernetes-object.ts';
import { instanceCrd } from '../../../support/instance-crd.ts';

const WEB = keyOf('default', 'web');
const NOT_FOUND = {
  status: 404,
  body: { kind: 'Status', reason: 'NotFound', details: { name: 'web', group: 'hypeman.dev' } },
};

function web(
  version: string,
  node: string,
  finalizers = ['hypeman.dev/instance'],
): KubernetesObject['document'] {
  return {
    ...{ apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance' },
    metadata: {
      ...{ namespace: 'default', name: 'web', uid: 'one', generation: 1, resourceVersion: version },
      labels: { 'hypeman.dev/node': node },
      annotations: { 'hypeman.dev/held-by': 'node-a one' },
      finalizers,
    },
    spec: { image: 'nginx' },
  };
}

function sight(document: KubernetesObject['document']): KubernetesObject {
  const found = objectIn(document);
  if (found === undefined) throw new Error('no object');
  return found;
}

const watches: InstanceWatch[] = [];
afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
});

/** A watch of node-a over a server that has nothing in its lists and gives `answers`, the last one for ever, by name. */
function stage(...answers: readonly Answer[]): Stage {
  return stageOn(undefined, answers);
}

type Stage = { watch: InstanceWatch; asked: () => number; woken: string[] };

function stageOn(host: AgentHost | undefined, answers: readonly Answer[]): Stage {
  let asked = 0;
  const woken: string[] = [];
  const api: ApiServer = {
    ask: async ({ path }) => {
      await Promise.resolve();
      if (!path.endsWith('/web'))
        return { status: 200, body: { metadata: { resourceVersion: '1' }, items: [] } };
      asked += 1;
      return answers[Math.min(asked, answers.length) - 1] ?? NOT_FOUND;
    },
    stream: () => new Promise(() => undefined),
    close: () => undefined,
  };
  const watch = new InstanceWatch({
    ...{ api, parser: openParser(instanceCrd()), nodeName: 'node-a', host, log: pino({ level: 'silent' }) },
    ...{
      podFor: () => undefined,
      onHost: () => [{ key: WEB, uid: 'one' }],
      onReturn: () => undefined,
      isDisturbed: () => false,
    },
    onChange: (key, known) => woken.push(known === undefined ? `${key} is gone` : known.declared.is),
  });
  watches.push(watch);
  return { watch, asked: () => asked, woken };
}

describe('an Instance whose label was moved away', () => {
  test('is held, also when the answer to a write of ours shows it', async () => {
    const { watch, woken } = stage({ status: 200, body: web('5', 'node-b') });
    await watch.start();
    expect(watch.known.of(WEB)?.declared.is).toBe('held');
    watch.see(sight({ ...web('6', 'node-b'), status: { observedGeneration: 1, conditions: [] } }));
    expect(watch.known.of(WEB)?.declared.is).toBe('held');
    expect(woken).toEqual(['held']);
    watch.see(sight(web('7', 'node-a')));
    expect(watch.known.of(WEB)?.declared.is).toBe('wanted');
  });

  test('and that lost its finalizer is not asked for in a hot loop', async () => {
    const { watch, asked } = stage({ status: 200, body: web('5', 'node-b', []) });
    await watch.start();
    watch.see(sight(web('6', 'node-b', [])));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked()).toBeLessThan(4);
  });
});

describe('an Instance of another node, replaced by a file that names this one', () => {
  function replaced(version: string, status: KubernetesObject['document']): KubernetesObject['document'] {
    return {
      ...{ apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance' },
      metadata: { namespace: 'default', name: 'web', uid: 'one', generation: 2, resourceVersion: version },
      ...{ spec: { image: 'nginx', nodeName: 'node-a' }, status },
    };
  }

  test('is not for this node before the other has given it up', async () => {
    const { watch, asked } = stage(NOT_FOUND);
    await watch.start();
    watch.see(sight(replaced('5', { nodeName: 'node-b' })));
    expect(watch.known.of(WEB)).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked()).toBe(1);
    watch.see(sight(replaced('6', {})));
    expect(watch.known.of(WEB)?.declared.is).toBe('wanted');
  });
});

describe('an Instance that another host took when it had the name of this node', () => {
  test('is let go by that one alone when it is deleted', async () => {
    const { watch, woken } = stageOn({ directory: 'dir-b', lock: 'boot-b.1.1' }, [NOT_FOUND]);
    await watch.start();
    const deleted = web('5', 'node-a');
    const held = { 'hypeman.dev/held-by': 'node-a one' };
    const metadata = {
      ...mappingOf(deleted.metadata),
      annotations: { ...held, 'hypeman.dev/held-in': 'dir-a' },
      deletionTimestamp: '2026-11-22T12:00:00Z',
    };
    watch.see(sight({ ...deleted, metadata }));
    expect(woken).toEqual(['held']);
    // People say that it is gone for good.
    watch.see(sight({ ...deleted, metadata: { ...metadata, annotations: held, resourceVersion: '6' } }));
    expect(woken).toEqual(['held', 'gone']);
  });
});

describe('an Instance that the host has something of', () => {
  test('ends by the word of the API server, not by the 404 of whoever answered in its place', async () => {
    const { watch, asked, woken } = stage(
      { status: 404, body: { message: 'default backend - 404' } },
      { status: 200, body: web('5', 'node-a') },
    );
    await watch.start();
    expect(asked()).toBe(2);
    expect(woken).toEqual(['wanted']);
  });

  test('and that the server does not have is not known', async () => {
    const { watch } = stage(NOT_FOUND);
    await watch.start();
    expect(watch.known.of(WEB)).toBeUndefined();
  });
});
