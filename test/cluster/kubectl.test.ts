import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { installCrd, listen, makeYard, NODE, statusSaying } from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`kubectl on Instances ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let agent: Listening;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    agent = await listen(plane);
    const { source } = agent;
    // An agent in the small: what is wanted is ready at once, what is gone is let go.
    await source.start((key) => {
      const declared = source.declared(key);
      if (declared.is === 'gone') {
        // The server may be ending already.
        source.forget(key).catch(() => undefined);
        return;
      }
      const said = statusSaying('the program runs', declared.generation);
      const [ready] = said.conditions;
      if (ready === undefined) return;
      const conditions = [{ ...ready, status: 'True', reason: 'Ready' }] as const;
      const event = {
        type: 'Normal',
        reason: 'Started',
        message: 'the program runs',
        at: Date.now(),
      } as const;
      void source.report(key, { ...said, state: 'Running', conditions }, [event]);
    });
  });
  afterAll(async () => {
    await agent.close();
    await plane.close();
  });

  test.each(['1.32', '1.20'] as const)(
    '%s: apply, wait, get, describe, edit and delete by habit',
    async (version) => {
      yard = await makeYard(plane.admin);
      const kubectl = (...args: readonly string[]): Promise<string> =>
        plane.kubectl(version, '--namespace', yard.namespace, ...args);
      const manifest = `${plane.directory}/${yard.namespace}.json`;
      const spec = { image: 'docker.io/library/nginx:1.29', nodeName: NODE };
      const document = { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', metadata: { name: 'web' } };
      await writeFile(manifest, JSON.stringify({ ...document, spec }));
      await kubectl('apply', '-f', manifest);
      await kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'inst/web');
      expect(await kubectl('get', 'inst')).toMatch(/web\s+Running\s+True\s+docker.io\/library\/nginx:1.29/);
      const described = await kubectl('describe', 'instance', 'web');
      expect(described).toMatch(/Normal\s+Started\s+.*the program runs/);
      await writeFile(manifest, JSON.stringify({ ...document, spec: { ...spec, vcpus: 4 } }));
      await kubectl('apply', '-f', manifest);
      expect(
        await kubectl('get', 'inst', 'web', '-o', 'jsonpath={.spec.vcpus} {.metadata.finalizers[0]}'),
      ).toBe('4 hypeman.dev/instance');
      await kubectl('delete', 'inst', 'web', '--timeout=30s');
      await expect(kubectl('get', 'inst', 'web')).rejects.toThrow('NotFound');
    },
  );

  test('a server-side apply of a user and our status do not fight', async () => {
    yard = await makeYard(plane.admin);
    const manifest = `${plane.directory}/ssa.json`;
    const document = {
      apiVersion: 'hypeman.dev/v1alpha1',
      kind: 'Instance',
      metadata: { name: 'web', namespace: yard.namespace },
      spec: { image: 'docker.io/library/nginx:1.29', nodeName: NODE },
    };
    await writeFile(manifest, JSON.stringify(document));
    const apply = (): Promise<string> => plane.kubectl('1.32', 'apply', '--server-side', '-f', manifest);
    await apply();
    await plane.kubectl(
      '1.32',
      '-n',
      yard.namespace,
      'wait',
      '--for=condition=Ready',
      '--timeout=30s',
      'inst/web',
    );
    await apply();
    const { body } = await yard.read('web');
    expect(body).toMatchObject({
      metadata: { generation: 1, finalizers: ['hypeman.dev/instance'] },
      status: { state: 'Running' },
    });
    await yard.remove('web');
  });
});
