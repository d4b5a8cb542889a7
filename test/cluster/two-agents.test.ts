import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { conditionIn } from '../support/cluster-placement.ts';
import { startFlakyProxy } from '../support/cluster-proxy.ts';
import type { FlakyProxy } from '../support/cluster-proxy.ts';
import { allowAgent } from '../support/cluster-rights.ts';
import { eventually, installCrd, makeYard } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();
const NODE_NAME = 'twice-named';

describe.skipIf(missing !== undefined)(
  `two hosts that were given the name of one node ${missing ?? ''}`,
  () => {
    let plane: ControlPlane;
    let yard: Yard;
    let proxy: FlakyProxy;
    let hosts: Readonly<Record<'a' | 'b', FakeNode>>;
    const agents: FakeAgent[] = [];
    const lost: string[] = [];

    beforeAll(async () => {
      plane = await startControlPlane();
      await installCrd(plane.admin);
      await allowAgent(plane.admin);
    });
    beforeEach(async () => {
      yard = await makeYard(plane.admin);
      proxy = await startFlakyProxy(plane.port);
      hosts = { a: await openFakeNode(), b: await openFakeNode() };
    });
    afterEach(async () => {
      for (const agent of agents.splice(0)) await agent.close();
      for (const host of Object.values(hosts)) await host.close();
      await proxy.close();
    });
    afterAll(() => plane.close());

    async function begin(host: 'a' | 'b', port?: number): Promise<FakeAgent> {
      const agent = await startFakeAgent(plane, hosts[host], {
        ...{ nodeName: NODE_NAME, user: 'agent', answerMs: 1_000, elsewhereMs: 200 },
        ...(port === undefined ? {} : { port }),
        presence: {
          host: { directory: host, lock: `boot-of-${host}` },
          version: '9.9.9',
          abilities: () => Promise.resolve({ hypervisors: ['qemu'], hasKvm: false }),
          onLost: (message) => lost.push(`${host}: ${message}`),
          ...{ renewMs: 200, lastsMs: 2_000 },
        },
      });
      agents.push(agent);
      return agent;
    }
    const read = async (name: string): Promise<Mapping> => (await yard.read(name)).body;
    async function says(name: string, type: string, words: string): Promise<void> {
      await eventually(async () => {
        const document = await read(name);
        return conditionIn(document, type) === words || document.status;
      });
    }
    const namesOn = (host: 'a' | 'b'): readonly string[] =>
      hosts[host].workshops.storage.records().map(({ key }) => key);
    /** Fails once both hosts have something of one Instance; the stop function tells how often that was looked for. */
    function keepWatch(): () => { readonly looks: number; readonly both: readonly string[] } {
      const both = new Set<string>();
      let looks = 0;
      const timer = setInterval(() => {
        looks += 1;
        for (const key of namesOn('a')) if (namesOn('b').includes(key)) both.add(key);
      }, 5);
      return () => {
        clearInterval(timer);
        return { looks, both: [...both] };
      };
    }

    test('never act on one Instance, though one is cut off until the other has the node', async () => {
      const stopWatch = keepWatch();
      const first = await begin('a', proxy.port);
      await yard.create('web', { nodeName: NODE_NAME });
      await says('web', 'Ready', 'True ProgramRunning');
      const id = valueAt(await read('web'), ['status', 'id']);
      // Half-open: nobody is told that the connection is over, and nothing passes.
      proxy.stall();
      await begin('b');
      await yard.create('later', { nodeName: NODE_NAME });
      await says('later', 'Ready', 'True ProgramRunning');
      await says('web', 'Stalled', 'True SourceLost');
      expect(namesOn('b')).toEqual([yard.key('later')]);
      // The one that is cut off heals what it has.
      const [record] = hosts.a.workshops.storage.records();
      if (record === undefined) throw new Error('it runs');
      hosts.a.workshops.links.shutdown(record.identity.id, 0);
      await eventually(() => (hosts.a.workshops.storage.records()[0]?.restarts ?? 0) > 0);
      expect(lost).toEqual([]);
      proxy.resume();
      await eventually(() => lost.length > 0);
      expect(lost[0]).toMatch(new RegExp(`^a: ${NODE_NAME}/b/`));
      // As the process ends then.
      await first.close();
      expect(namesOn('a')).toEqual([yard.key('web')]);
      await sleep(1_000);
      expect(namesOn('b')).toEqual([yard.key('later')]);
      // The second host goes for good, and the first one has its own again.
      await agents.pop()?.close();
      await begin('a');
      await says('web', 'Ready', 'True ProgramRunning');
      expect(valueAt(await read('web'), ['status', 'id'])).toBe(id);
      await says('later', 'Stalled', 'True SourceLost');
      const { looks, both } = stopWatch();
      expect(both).toEqual([]);
      expect(looks).toBeGreaterThan(100);
      // Nobody is coming back: people say so, and it begins anew.
      await yard.merge('later', { metadata: { annotations: { 'hypeman.dev/held-in': null } } });
      await says('later', 'Ready', 'True ProgramRunning');
      expect(textAt(await read('later'), ['metadata', 'annotations', 'hypeman.dev/held-in'])).toBe('a');
    });
  },
);
