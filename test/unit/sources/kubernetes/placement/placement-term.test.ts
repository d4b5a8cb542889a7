import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { openParser } from '../../../../../src/api/parser.ts';
import { mappingOf, textAt, valueAt } from '../../../../../src/api/raw.ts';
import type { Mapping } from '../../../../../src/api/raw.ts';
import { keyOf } from '../../../../../src/machine/ids.ts';
import type { Answer, ApiRequest } from '../../../../../src/sources/kubernetes/api-server.ts';
import { objectIn } from '../../../../../src/sources/kubernetes/kubernetes-object.ts';
import type { KubernetesObject } from '../../../../../src/sources/kubernetes/kubernetes-object.ts';
import { pause } from '../../../../../src/sources/kubernetes/pause.ts';
import { placeholderNameFor } from '../../../../../src/sources/kubernetes/placement/placeholder-words.ts';
import { PlacementSights } from '../../../../../src/sources/kubernetes/placement/placement-sights.ts';
import { PlacementTerm } from '../../../../../src/sources/kubernetes/placement/placement-term.ts';
import { instanceCrd } from '../../../../support/instance-crd.ts';

const WEB = keyOf('default', 'web');
const POD = keyOf('default', placeholderNameFor('web', 'one'));
const NODE_LABEL = 'hypeman.dev/node';
const [HELD_BY, HELD_IN] = ['hypeman.dev/held-by', 'hypeman.dev/held-in'];

function seen(document: Mapping): KubernetesObject {
  const found = objectIn(document);
  if (found === undefined) throw new Error('no object');
  return found;
}

function web(annotations: Mapping = {}, labels: Mapping = {}): Mapping {
  const created = { creationTimestamp: '2026-11-22T11:00:00Z', generation: 1, resourceVersion: '5' };
  const metadata = { namespace: 'default', name: 'web', uid: 'one', ...created, annotations, labels };
  return { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', metadata, spec: { image: 'nginx' } };
}

type Stage = {
  readonly asked: string[];
  readonly bodies: Mapping[];
  readonly term: PlacementTerm;
  readonly sights: PlacementSights;
  status: Mapping;
};

const terms: PlacementTerm[] = [];
afterEach(() => {
  for (const term of terms.splice(0)) term.close();
});

/** A server that has one Instance and the Pod for it, if any, and whose watches never lag. */
function stage(
  instance: Mapping,
  { pod, onNote = 200 }: { readonly pod?: Mapping; readonly onNote?: number } = {},
): Stage {
  let [made, version] = [pod, 10];
  const sights = new PlacementSights(openParser(instanceCrd()));
  /** The scheduler is faster than we are, and its word is on its way. */
  const bind = (): void => {
    const resourceVersion = String(version);
    const bound = { ...made, metadata: { ...mappingOf(made?.metadata), resourceVersion } };
    made = bound;
    setTimeout(() => {
      sights.putPod(seen(bound));
      term.instance(WEB);
    }, 5);
  };
  const instanceAnswer = ({ method, path, body }: ApiRequest): Answer => {
    if (path.includes('/status')) here.status = mappingOf(valueAt(body, [2, 'value']));
    const isNote = method === 'PATCH' && textAt(body, ['metadata', 'uid']) === 'one';
    if (isNote && onNote !== 200) {
      bind();
      return { status: onNote, body: { message: 'metadata.annotations: Too long' } };
    }
    const metadata = { ...mappingOf(instance.metadata), resourceVersion: String(version) };
    return { status: 200, body: { ...instance, metadata } };
  };
  const podAnswer = ({ method, body }: ApiRequest): Answer => {
    if (method === 'POST') {
      if (made !== undefined) return { status: 409, body: { reason: 'AlreadyExists' } };
      const own = { uid: `pod-${version}`, resourceVersion: String(version) };
      made = { ...mappingOf(body), metadata: { ...mappingOf(valueAt(body, ['metadata'])), ...own } };
      sights.putPod(seen(made));
    }
    const answer = { status: made === undefined ? 404 : 200, body: made ?? {} };
    const seenAs = textAt(body, ['preconditions', 'resourceVersion']);
    if (method === 'DELETE' && seenAs !== textAt(made, ['metadata', 'resourceVersion']))
      return { status: 409, body: { reason: 'Conflict' } };
    if (method === 'DELETE') {
      made = undefined;
      sights.dropPod(POD);
    }
    if (method !== 'GET') term.instance(WEB);
    return answer;
  };
  const answerTo = (request: ApiRequest): Answer => {
    version += 1;
    if (request.path.includes('/nodes/'))
      return { status: 404, body: { reason: 'NotFound', details: { name: 'node-a' } } };
    return request.path.includes('/pods') ? podAnswer(request) : instanceAnswer(request);
  };
  const api = {
    ask: async (request: ApiRequest): Promise<Answer> => {
      await pause(1);
      here.asked.push(`${request.method} ${request.path.split('?')[0]?.split('/').at(-1) ?? ''}`);
      here.bodies.push(mappingOf(request.body));
      return answerTo(request);
    },
    stream: () => Promise.reject(new Error('nothing is watched here')),
    close: () => undefined,
  };
  const settings = { image: 'holder:1', cpuPercent: 100 };
  const term = new PlacementTerm({ api, sights, settings, log: pino({ level: 'silent' }), now: Date.now });
  terms.push(term);
  const here: Stage = { asked: [], bodies: [], term, sights, status: {} };
  sights.putInstance(seen(instance));
  return here;
}

function readyIn(status: Mapping): unknown {
  return valueAt(status, ['conditions', 0]);
}

describe('placement at work', () => {
  test('one whose note the server refuses is made again at the pace of a refusal, and told', async () => {
    const here = stage(web(), { onNote: 422 });
    here.term.start();
    await expect
      .poll(() => readyIn(here.status), { timeout: 5_000 })
      .toMatchObject({
        reason: 'PlaceholderNotNoted',
        message: expect.stringContaining('Too long') as unknown,
      });
    await pause(300);
    expect(here.asked.filter((each) => each === 'POST pods')).toHaveLength(1);
    expect(here.asked.filter((each) => each.startsWith('DELETE')).length).toBeLessThan(5);
  });

  test('a Pod of its name that no watch shows is told, and never waited for', async () => {
    const annotations = { 'hypeman.dev/instance': 'web', 'hypeman.dev/instance-uid': 'one' };
    const name = placeholderNameFor('web', 'one');
    const metadata = { namespace: 'default', name, uid: 'theirs', resourceVersion: '3', annotations };
    const here = stage(web(), { pod: { apiVersion: 'v1', kind: 'Pod', metadata } });
    here.term.start();
    await expect
      .poll(() => readyIn(here.status), { timeout: 5_000 })
      .toMatchObject({ reason: 'PlaceholderNameTaken' });
    expect(here.asked).not.toContain(`DELETE ${name}`);
    expect(here.sights.keys()).toEqual([WEB]);
    expect(here.sights.strays(WEB)).toEqual([]);
  });

  test('what is taken from a node that is gone bears no mark of its host any more', async () => {
    const annotations = { [HELD_BY]: 'node-a one', [HELD_IN]: 'directory' };
    const here = stage(web(annotations, { [NODE_LABEL]: 'node-a' }));
    here.term.start();
    await expect.poll(() => here.asked, { timeout: 5_000 }).toContain('PATCH web');
    const patch = here.bodies.find((body) => valueAt(body, ['metadata', 'labels', NODE_LABEL]) === null);
    expect(valueAt(patch, ['metadata', 'annotations'])).toEqual({ [HELD_BY]: null, [HELD_IN]: null });
  });
});
