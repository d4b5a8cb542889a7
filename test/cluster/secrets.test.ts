import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { allowAgent, allowSecret } from '../support/cluster-rights.ts';
import { eventually, installCrd, listenAndStart, makeYard } from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`Secrets of a cluster ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let agent: Listening;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    await allowAgent(plane.admin);
    agent = await listenAndStart(plane);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
  });
  afterAll(async () => {
    await agent.close();
    await plane.close();
  });

  async function declare(spec: Readonly<Record<string, unknown>>, by = agent): Promise<void> {
    await yard.create('web', spec);
    await eventually(() => by.source.declared(yard.key('web')).is === 'wanted' && by.told.length > 0);
  }
  async function values(by = agent): Promise<unknown> {
    const found = await by.source.environmentOf(yard.key('web'));
    if (found.is === 'missing') return found.reason;
    return Object.fromEntries(Object.entries(found.values).map(([name, value]) => [name, value.reveal()]));
  }
  function timesTold(): number {
    return agent.told.filter((key) => key === yard.key('web')).length;
  }
  const FROM = { envFrom: [{ secretRef: { name: 'first' } }, { secretRef: { name: 'second' } }] };

  test('Secrets are merged in their order, and env wins', async () => {
    await yard.putSecret('first', { A: '1', B: '1', C: '1' });
    await yard.putSecret('second', { B: '2', C: '2' });
    await declare({ ...FROM, env: { C: '3' } });
    expect(await values()).toEqual({ A: '1', B: '2', C: '3' });
  });

  test('a change is told to those alone that use it', async () => {
    await yard.putSecret('first', { TOKEN: 'old' });
    await yard.putSecret('second', {});
    await declare(FROM);
    await yard.create('bystander');
    await eventually(() => agent.told.includes(yard.key('bystander')));
    expect(await values()).toEqual({ TOKEN: 'old' });
    const [before, bystanders] = [timesTold(), agent.told.filter((key) => key.endsWith('/bystander')).length];
    await yard.putSecret('first', { TOKEN: 'new' });
    await eventually(() => timesTold() > before);
    expect(await values()).toEqual({ TOKEN: 'new' });
    expect(agent.told.filter((key) => key.endsWith('/bystander'))).toHaveLength(bystanders);
  });

  test('a Secret that is missing is said, and heals; one that is deleted is missed again', async () => {
    await yard.putSecret('second', {});
    await declare(FROM);
    expect(await values()).toBe('SecretNotFound');
    const before = timesTold();
    await yard.putSecret('first', { TOKEN: 'here' });
    await eventually(() => timesTold() > before);
    expect(await values()).toEqual({ TOKEN: 'here' });
    await yard.removeSecret('first');
    await eventually(async () => (await values()) === 'SecretNotFound');
  });

  test('an optional Secret may be missing', async () => {
    await declare({ envFrom: [{ secretRef: { name: 'maybe', optional: true } }], env: { A: '1' } });
    expect(await values()).toEqual({ A: '1' });
    await yard.putSecret('maybe', { B: '2' });
    await eventually(async () => JSON.stringify(await values()) === '{"B":"2","A":"1"}');
  });

  test('an edit that names other Secrets is followed', async () => {
    await yard.putSecret('first', { A: '1' });
    await yard.putSecret('second', { A: '2' });
    await declare({ envFrom: [{ secretRef: { name: 'first' } }] });
    expect(await values()).toEqual({ A: '1' });
    await yard.merge('web', { spec: { envFrom: [{ secretRef: { name: 'second' } }] } });
    await eventually(async () => JSON.stringify(await values()) === '{"A":"2"}');
    const before = timesTold();
    await yard.putSecret('first', { A: 'nobody cares' });
    await yard.putSecret('second', { A: '3' });
    await eventually(async () => JSON.stringify(await values()) === '{"A":"3"}');
    expect(timesTold()).toBe(before + 1);
  });

  test('the right to one Secret by its name is enough, and without it the message says so', async () => {
    const narrow = await listenAndStart(plane, { user: 'agent' });
    await yard.putSecret('first', { A: '1' });
    await yard.putSecret('second', { B: '2' });
    await declare(FROM, narrow);
    await allowSecret(plane.admin, yard.namespace, 'first');
    await eventually(async () => {
      const found = await narrow.source.environmentOf(yard.key('web'));
      return (
        found.is === 'missing' && found.reason === 'SecretUnreadable' && found.message.includes('second')
      );
    });
    await allowSecret(plane.admin, yard.namespace, 'second');
    await eventually(async () => JSON.stringify(await values(narrow)) === '{"A":"1","B":"2"}');
    await narrow.close();
  });

  test('no value is ever logged', async () => {
    await yard.putSecret('first', { TOKEN: 'hunter2-a' });
    await yard.putSecret('second', { TOKEN: 'hunter2-b', '0': 'hunter2-c' });
    await declare({ ...FROM, env: { PLAIN: 'hunter2-d' } });
    await yard.merge('web', { spec: { env: { PLAIN: 'hunter2-e', '1BAD': 'hunter2-f' } } });
    await eventually(() => {
      const found = agent.source.declared(yard.key('web'));
      return found.is === 'wanted' && found.refused !== undefined;
    });
    const said = JSON.stringify([
      agent.lines,
      agent.source.declared(yard.key('web')),
      await agent.source.environmentOf(yard.key('web')),
    ]);
    expect(said).not.toContain('hunter2');
  });
});
