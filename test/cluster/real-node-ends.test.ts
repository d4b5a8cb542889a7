import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import { argumentsOf } from '../../src/host/processes.ts';
import type { BootWitness } from '../support/boot-witness.ts';
import { AGENT_NAMESPACE } from '../support/cluster-agent-pod.ts';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { openNodeStage } from '../support/cluster-node-stage.ts';
import type { NodeStage } from '../support/cluster-node-stage.ts';
import { nodeMissing } from '../support/cluster-node.ts';
import { makeYard } from '../support/cluster-stage.ts';
import { volumeYard } from '../support/cluster-volumes.ts';
import { hostTraces } from '../support/host-traces.ts';
import { until } from '../support/until.ts';

const missing = controlPlaneMissing() ?? (await nodeMissing());
if (missing !== undefined)
  process.stderr.write(`test/cluster/real-node-ends.test.ts is skipped: ${missing}\n`);
const STEP_MS = 300_000;
/** Each wait in it has a deadline and says what it is for: theirs are to come first. */
const SETUP_MS = 900_000;
/** Less than a command may take. */
const BOOT_S = 110;

describe.skipIf(missing !== undefined)(
  `what ends on a real node in the middle of its work ${missing ?? ''}`,
  { timeout: STEP_MS },
  () => {
    let stage: NodeStage;
    let witness: BootWitness;
    let bare: readonly string[];

    beforeAll(async () => {
      stage = await openNodeStage();
      ({ witness } = stage);
      await stage.agent.readyPod();
      // The first of all brings the proxy, whose listeners stay.
      await stage.yard.create('first', { nodeName: stage.node.name, ...stage.spec('first') });
      await untilReady('first');
      await removed('first');
      bare = await hostTraces(stage.node);
    }, SETUP_MS);
    afterAll(async () => {
      await stage.close();
    }, STEP_MS);

    const directories = (): Promise<readonly string[]> =>
      readdir(`${stage.node.directory}/state/instances`).catch(() => []);
    async function untilReady(...names: readonly string[]): Promise<void> {
      const what = names.map((name) => `instance/${name}`);
      await stage.kubectl('wait', '--for=condition=Ready', ...what, `--timeout=${BOOT_S}s`);
      for (const name of names) {
        const before = witness.count(name);
        await until(`${name} is heard`, () => witness.count(name) > before);
      }
    }
    async function removed(name: string): Promise<void> {
      await stage.kubectl('delete', 'instance', name, '--timeout=90s');
    }
    async function untilBare(ids: readonly string[]): Promise<void> {
      const left = async (): Promise<unknown> => {
        const now = await hostTraces(stage.node, ids);
        const more = now.filter((line) => !bare.includes(line));
        return more.length === 0 || more;
      };
      // Empty cgroups are collected once a minute.
      await until('nothing is left on the host', left, 100_000);
    }
    async function agentPid(): Promise<number> {
      for (const pid of await stage.node.network.pids()) {
        const words = await argumentsOf(pid);
        if (words.includes('--kubernetes') && words.some((word) => word.startsWith('--node-name=')))
          return pid;
      }
      throw new Error('there is no process of an agent');
    }

    /** Where the making of a machine can be seen to have come, from outside. */
    const points: Readonly<
      Record<string, (name: string, agent: number, before: readonly string[]) => Promise<boolean>>
    > = {
      'there is a directory for it': async (_, __, before) =>
        (await directories()).some((id) => !before.includes(id)),
      'its tap is there': async (_, agent) =>
        /^ *hm-/m.test(await readFile(`/proc/${agent}/net/dev`, 'utf8')),
      'its machine is a process': async (_, __, before) => {
        const [id] = (await directories()).filter((one) => !before.includes(one));
        if (id === undefined) return false;
        for (const pid of await stage.node.network.pids())
          if ((await argumentsOf(pid)).some((word) => word.startsWith(`guest=${id},`))) return true;
        return false;
      },
      'its guest begins to speak': (name) => Promise.resolve(witness.count(name) > 0),
    };

    test.each(Object.keys(points))(
      'an agent that is killed when %s is followed by one that goes on',
      async (point) => {
        const name = `killed-${Object.keys(points).indexOf(point)}`;
        await until('no agent is restarting', async () => (await stage.agent.readyPod()) !== '');
        const [agent, before] = [await agentPid(), await directories()];
        await stage.yard.create(name, { nodeName: stage.node.name, ...stage.spec(name) });
        const end = Date.now() + BOOT_S * 1_000;
        while (!((await points[point]?.(name, agent, before)) ?? true)) {
          if (Date.now() > end) throw new Error(`never: ${point}`);
          await sleep(2);
        }
        const vmm = await stage.vmmOf(name);
        process.kill(agent, 'SIGKILL');
        await until(
          'another agent runs',
          async () => (await agentPid().catch(() => agent)) !== agent,
          120_000,
        );
        await untilReady(name);
        expect(witness.boots(name)).toHaveLength(1);
        if (vmm !== undefined && point === 'its guest begins to speak')
          expect(await stage.vmmOf(name)).toBe(vmm);
        const id = await stage.idOf(name);
        await removed(name);
        await untilBare([id]);
      },
    );

    test('a namespace is deleted with everything in it, whatever that is doing, and leaves nothing on the host', async () => {
      const { plane, node, agent } = stage;
      await until('the agent is ready', async () => (await agent.readyPod()) !== '');
      const yard = await makeYard(plane.admin);
      const { namespace } = yard;
      const kubectl = async (...words: readonly string[]): Promise<string> => {
        const { exitCode, stdout, stderr } = await agent.kubectl('-n', namespace, ...words);
        if (exitCode !== 0) throw new Error(`kubectl ${words.join(' ')}: ${stderr}`);
        return stdout;
      };
      const account = `--serviceaccount=${AGENT_NAMESPACE}:hypeman-agent`;
      await kubectl('create', 'rolebinding', 'hypeman', '--clusterrole=hypeman-secret-reader', account);
      await yard.putSecret('keys', { KEY: 'value' });
      await volumeYard(plane.admin, yard).create('disk', { reclaimPolicy: 'Delete' });
      const here = { nodeName: node.name };
      await yard.create('placed', {
        ...{ ...stage.spec('placed'), nodeName: undefined },
        ...{ volumes: [{ volume: 'disk', mountPath: '/mnt' }], envFrom: [{ secretRef: { name: 'keys' } }] },
      });
      await yard.create('named', { ...stage.spec('named'), ...here });
      await yard.create('asleep', { ...stage.spec('asleep'), ...here });
      const wait = ['wait', '--for=condition=Ready', `--timeout=${BOOT_S}s`];
      await kubectl(...wait, 'instance/placed', 'instance/named', 'instance/asleep');
      await yard.merge('asleep', { spec: { state: 'Standby' } });
      await until('one is in standby', async () => {
        const { status } = (await yard.read('asleep')).body;
        return valueAt(status, ['state']) === 'Standby' || status;
      });
      const before = await directories();
      await yard.create('unborn', { ...stage.spec('unborn'), ...here });
      await until('one is being made', async () => (await directories()).length > before.length);
      const ids = await directories();
      expect((await hostTraces(node, ids)).filter((line) => !bare.includes(line)).length).toBeGreaterThan(10);
      await kubectl('delete', 'namespace', namespace, '--timeout=110s');
      const gone = await plane.admin.ask({ method: 'GET', path: `/api/v1/namespaces/${namespace}` });
      expect(textAt(gone.body, ['reason'])).toBe('NotFound');
      await untilBare(ids);
    });
  },
);
