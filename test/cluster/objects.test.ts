import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isSuccess, sentenceOf } from '../../src/sources/kubernetes/api-server.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { OBJECTS } from '../golden/api/objects.ts';
import {
  controlPlaneMissing,
  crdServerMissing,
  startControlPlane,
} from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { installCrd, makeYard } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';

type ObjectCase = (typeof OBJECTS)[number];

const missing = controlPlaneMissing();

/** Dropped without a word by a server that was not asked to be strict. */
const PRUNED = ['a field nobody knows', 'a field of the reference system'];

/** Rules in CEL, which 1.20 does not know. */
const NO_CEL = [
  'a fork of itself',
  'both image and forkFrom',
  'neither image nor forkFrom',
  'an envFrom with both',
  'an envFrom with neither',
  'a credential without egress',
  'egress without a network',
  'a credential without a source',
  'a header of the connection',
  'the header Expect',
  'the header Sec-WebSocket-Key',
  'the header HTTP2-Settings',
  'an overlay over a writable volume',
  'an overlay without a size',
  'a size without an overlay',
  'one volume twice',
];

describe.skipIf(missing !== undefined)(`the table of good and bad objects ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    yard = await makeYard(plane.admin);
  });
  afterAll(async () => {
    await plane.close();
  });

  async function admits(api: ApiServer, { document }: ObjectCase, query = ''): Promise<boolean> {
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/instances?dryRun=All${query}`;
    return isSuccess(await api.ask({ method: 'POST', path, body: document }));
  }
  async function titlesOf(
    api: ApiServer,
    filter: (one: ObjectCase, admitted: boolean) => boolean,
    query?: string,
  ): Promise<readonly string[]> {
    const titles: string[] = [];
    for (const one of OBJECTS) if (filter(one, await admits(api, one, query))) titles.push(one.title);
    return titles;
  }

  test('no good object is refused by 1.20, the oldest server', async () => {
    expect(await titlesOf(plane.admin, (one, admitted) => one.problems.length === 0 && !admitted)).toEqual(
      [],
    );
  });

  test('what 1.20 admits and a current server would not is what CEL says', async () => {
    const ours = await titlesOf(plane.admin, (one, admitted) => one.problems.length > 0 && admitted);
    const known = OBJECTS.filter(({ problems, server }) => problems.length > 0 && server === 'accepts');
    expect([...ours].sort()).toEqual([...NO_CEL, ...known.map(({ title }) => title)].sort());
  });

  const noCrdServer = crdServerMissing();
  test.skipIf(noCrdServer !== undefined)(
    `a current server agrees with the table ${noCrdServer ?? ''}`,
    async () => {
      const current = await plane.startCrdServer();
      await installCrd(current);
      const disagrees = (one: ObjectCase, admitted: boolean): boolean =>
        admitted !== (one.server === 'accepts');
      expect(await titlesOf(current, disagrees)).toEqual([]);
      // As kubectl asks since 1.27.
      expect(await titlesOf(current, disagrees, '&fieldValidation=Strict')).toEqual(PRUNED);
      expect(await answerToVolume(current, undefined)).toBe('admitted');
      expect(await answerToVolume(current, { image: 'docker.io/library/nginx:1.29' })).toBe('admitted');
      expect(await answerToVolume(current, { archive: '/srv/files.tar' })).toContain('use image');
      expect(await answerToVolume(current, {})).toContain('names nothing to fill the volume with');
      current.close();
    },
  );
});

/** What a server says to a Volume that is to be filled from this. */
async function answerToVolume(api: ApiServer, source: unknown): Promise<string> {
  const path = '/apis/hypeman.dev/v1alpha1/namespaces/default/volumes?dryRun=All';
  const head = { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Volume', metadata: { name: 'data' } };
  const spec = { size: '1GB', ...(source === undefined ? {} : { source }) };
  const answer = await api.ask({ method: 'POST', path, body: { ...head, spec } });
  return isSuccess(answer) ? 'admitted' : sentenceOf(answer);
}
