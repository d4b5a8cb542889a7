import { describe, expect, test } from 'vitest';
import { openParser } from '../../../../src/api/parser.ts';
import { keyOf } from '../../../../src/machine/ids.ts';
import { KnownInstances } from '../../../../src/sources/kubernetes/known-instances.ts';
import { objectIn } from '../../../../src/sources/kubernetes/kubernetes-object.ts';
import type { KubernetesObject } from '../../../../src/sources/kubernetes/kubernetes-object.ts';
import { instanceCrd } from '../../../support/instance-crd.ts';

const WEB = keyOf('default', 'web');
const parser = openParser(instanceCrd());

type Words = {
  readonly version: string;
  readonly generation?: number;
  readonly uid?: string;
  readonly holder?: string;
  readonly spec?: unknown;
  readonly deleted?: boolean;
};

function web({ version, generation = 1, uid = 'one', holder = 'node-a', ...words }: Words): KubernetesObject {
  const found = objectIn({
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: {
      namespace: 'default',
      name: 'web',
      uid,
      generation,
      resourceVersion: version,
      annotations: { 'hypeman.dev/held-by': `${holder} ${uid}` },
      finalizers: ['hypeman.dev/instance'],
      ...(words.deleted === true ? { deletionTimestamp: '2026-11-22T07:00:00Z' } : {}),
    },
    spec: words.spec ?? { image: 'nginx' },
  });
  if (found === undefined) throw new Error('no object');
  return found;
}
const BAD = { image: 'nginx', vcpus: 'many', size: [] };

describe('what is known of Instances', () => {
  test('a sight that is older than the last changes nothing, also past a power of ten', () => {
    const known = new KnownInstances(parser, 'node-a');
    expect(known.see(web({ version: '1000', generation: 2 }))).toBeDefined();
    expect(known.see(web({ version: '999', generation: 1 }))).toBeUndefined();
    expect(known.of(WEB)?.declared).toMatchObject({ generation: 2 });
  });

  test('an invalid one keeps the last good declaration, with its own generation and every problem', () => {
    const known = new KnownInstances(parser, 'node-a');
    known.see(web({ version: '1' }));
    known.see(web({ version: '2', generation: 2, spec: BAD }));
    const declared = known.of(WEB)?.declared;
    expect(declared).toMatchObject({ is: 'wanted', generation: 2, instance: { spec: { image: 'nginx' } } });
    const message = declared?.is === 'wanted' ? declared.refused?.message : undefined;
    expect(message?.split('\n')).toHaveLength(2);
  });

  test('what is kept, told again, changes nothing', () => {
    const known = new KnownInstances(parser, 'node-a');
    known.see(web({ version: '1' }));
    const kept = known.of(WEB);
    expect(kept === undefined ? 'nothing' : known.see(kept.object)).toBeUndefined();
    expect(known.of(WEB)).toBe(kept);
  });

  test('another object of the same name inherits nothing', () => {
    const known = new KnownInstances(parser, 'node-a');
    known.see(web({ version: '5' }));
    known.see(web({ version: '3', uid: 'two', spec: BAD }));
    expect(known.of(WEB)?.declared).toMatchObject({ is: 'held', uid: 'two' });
  });

  test('one that another node holds is not among the keys; one that lost its mark still is', () => {
    const known = new KnownInstances(parser, 'node-a');
    known.see(web({ version: '1', holder: 'node-b' }));
    expect(known.keys()).toEqual([]);
    known.see(web({ version: '2' }));
    known.see(web({ version: '3', holder: '' }));
    expect(known.keys()).toEqual([WEB]);
  });

  test('one that is being deleted is gone, but for one that is not ours to let go', () => {
    const known = new KnownInstances(parser, 'node-a');
    known.see(web({ version: '1', deleted: true }));
    expect(known.of(WEB)?.declared).toEqual({ is: 'gone' });
    known.hold(WEB, 'a stranger has it');
    expect(known.of(WEB)?.declared).toMatchObject({ is: 'held', refused: { reason: 'SourceLost' } });
    expect(known.keys()).toEqual([WEB]);
  });

  test('no value of a spec is kept beside the declaration', () => {
    const known = new KnownInstances(parser, 'node-a');
    known.see(web({ version: '1', spec: { image: 'nginx', env: { TOKEN: 'hunter2' } } }));
    expect(JSON.stringify(known.of(WEB))).not.toContain('hunter2');
  });
});
