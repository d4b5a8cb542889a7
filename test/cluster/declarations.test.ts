import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import {
  eventually,
  installCrd,
  listenAndStart,
  makeYard,
  NODE,
  statusSaying,
  readyMessageIn,
  must,
} from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';
import { textAt, valueAt } from '../../src/api/raw.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`Instances on an API server ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let agent: Listening;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    agent = await listenAndStart(plane);
  });
  afterAll(async () => {
    await agent?.close();
    await plane?.close();
  });

  test('an Instance that names this node is taken: label, finalizer, and only then it is told', async () => {
    yard = await makeYard(plane.admin);
    await yard.create('web');
    await eventually(() => agent.told.includes(yard.key('web')));
    const { body } = await yard.read('web');
    expect(valueAt(body, ['metadata', 'finalizers'])).toEqual(['hypeman.dev/instance']);
    expect(textAt(body, ['metadata', 'labels', 'hypeman.dev/node'])).toBe(NODE);
    expect(agent.source.declared(yard.key('web'))).toMatchObject({
      is: 'wanted',
      uid: textAt(body, ['metadata', 'uid']),
      generation: 1,
    });
  });
});
