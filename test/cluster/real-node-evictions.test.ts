import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { BootWitness } from '../support/boot-witness.ts';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { openNodeStage } from '../support/cluster-node-stage.ts';
import type { NodeStage } from '../support/cluster-node-stage.ts';
import { nodeMissing } from '../support/cluster-node.ts';
import { must } from '../support/cluster-stage.ts';
import { openEchoLine } from '../support/echo-line.ts';
import type { EchoLine } from '../support/echo-line.ts';
import { until } from '../support/until.ts';

const missing = controlPlaneMissing() ?? (await nodeMissing());
if (missing !== undefined)
  process.stderr.write(`test/cluster/real-node-evictions.test.ts is skipped: ${missing}\n`);
const STEP_MS = 300_000;
/** Each wait in it has a deadline and says what it is for: theirs are to come first. */
const SETUP_MS = 900_000;
const BOOT_S = 150;
const ECHO_PORT = 7000;
const ECHO_MS = 60_000;

describe.skipIf(missing !== undefined)(
  `machines that a real node has to give up ${missing ?? ''}`,
  { timeout: STEP_MS },
  () => {
    let stage: NodeStage;
    let witness: BootWitness;
    let line: EchoLine | undefined;

    beforeAll(async () => {
      stage = await openNodeStage();
      ({ witness } = stage);
      await stage.agent.readyPod();
      await declare('kept', { evictionPolicy: 'Standby' });
      await declare('gone', { evictionPolicy: 'Stop' });
      await untilReady('kept', 'gone');
    }, SETUP_MS);
    afterAll(async () => {
      await line?.close();
      await stage.close();
    }, STEP_MS);

    async function declare(name: string, spec: Mapping = {}): Promise<void> {
      const program = `nc -ll -p ${ECHO_PORT} -e cat & ${witness.program(name)}`;
      const entrypoint = ['/bin/sh', '-c', program];
      await stage.yard.create(name, { nodeName: undefined, ...stage.spec(name), entrypoint, ...spec });
    }
    async function untilReady(...names: readonly string[]): Promise<void> {
      const what = names.map((name) => `instance/${name}`);
      await stage.kubectl('wait', '--for=condition=Ready', ...what, `--timeout=${BOOT_S}s`);
      for (const name of names) {
        const before = witness.count(name);
        await until(`${name} is heard`, () => witness.count(name) > before);
      }
    }
    const status = async (name: string): Promise<unknown> => (await stage.yard.read(name)).body.status;
    async function untilStandby(name: string): Promise<void> {
      const isSo = async (): Promise<unknown> => {
        const seen = await status(name);
        return valueAt(seen, ['state']) === 'Standby' || seen;
      };
      await until(`${name} is in standby`, isSo);
    }
    async function podOf(name: string): Promise<Mapping | undefined> {
      const pods = `/api/v1/namespaces/${stage.yard.namespace}/pods`;
      const { items } = await must(stage.plane.admin, { method: 'GET', path: pods });
      return (listOf(items) as readonly Mapping[]).find(
        (pod) => textAt(pod, ['metadata', 'annotations', 'hypeman.dev/instance']) === name,
      );
    }
    async function evict(name: string): Promise<void> {
      const pod = textAt(await podOf(name), ['metadata', 'name']) ?? '';
      const { namespace } = stage.yard;
      await must(stage.plane.admin, {
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`,
        body: { apiVersion: 'policy/v1beta1', kind: 'Eviction', metadata: { name: pod, namespace } },
      });
    }
    const memoryOf = async (name: string): Promise<string> =>
      `${stage.node.directory}/state/instances/${await stage.idOf(name)}/standby`;
    async function expectRest(name: string, vmm: number | undefined): Promise<void> {
      await untilStandby(name);
      await until(`the placeholder of ${name} is gone`, async () => {
        const pod = await podOf(name);
        return pod === undefined || textAt(pod, ['spec', 'nodeName']) === undefined || pod;
      });
      expect(vmm).toBeDefined();
      expect(existsSync(`/proc/${vmm ?? 0}`)).toBe(false);
      expect(await stage.vmmOf(name)).toBeUndefined();
      expect((await stat(await memoryOf(name))).isDirectory()).toBe(true);
    }
    /** One boot, and a count in the guest's memory that never began anew. */
    function expectOneLife(name: string): void {
      expect(witness.boots(name)).toHaveLength(1);
      const turns = witness.turns(name);
      expect(turns).toEqual([...new Set(turns)].toSorted((one, other) => one - other));
    }

    test('one that is evicted is in standby without a process, and goes on where its memory is', async () => {
      const [vmm, uid] = [await stage.vmmOf('kept'), textAt(await podOf('kept'), ['metadata', 'uid'])];
      const address = textAt(await status('kept'), ['network', 'ip']);
      line = openEchoLine(stage.node.network.namespace, address ?? '', ECHO_PORT);
      await line.echo('before', ECHO_MS);
      await stage.kubectl('cordon', stage.node.name);
      await evict('kept');
      await expectRest('kept', vmm);
      expect(await stage.kubectl('get', 'instance', 'kept')).toMatch(/kept +Standby +False/);
      await stage.kubectl('uncordon', stage.node.name);
      await untilReady('kept');
      expectOneLife('kept');
      await line.echo('after', ECHO_MS);
      expect(textAt(await podOf('kept'), ['metadata', 'uid'])).not.toBe(uid);
      expect(existsSync(await memoryOf('kept'))).toBe(false);
    });

    test('a drain keeps the memory of one and ends the other kindly; both are back after it', async () => {
      const vmm = await stage.vmmOf('kept');
      await stage.kubectl('drain', stage.node.name, '--ignore-daemonsets', '--timeout=180s');
      await expectRest('kept', vmm);
      expect(witness.goodbyes('gone')).toBe(1);
      expect(witness.goodbyes('kept')).toBe(0);
      expect(await stage.vmmOf('gone')).toBeUndefined();
      await stage.kubectl('uncordon', stage.node.name);
      await untilReady('kept', 'gone');
      expectOneLife('kept');
      expect(witness.boots('gone')).toHaveLength(2);
      await line?.echo('after the drain', ECHO_MS);
    });

    test('an Instance that matters more takes their room, each by its policy, and gives it back', async () => {
      await must(stage.plane.admin, {
        method: 'POST',
        path: '/apis/scheduling.k8s.io/v1/priorityclasses',
        body: { metadata: { name: 'urgent' }, value: 1000 },
      });
      const vmm = await stage.vmmOf('kept');
      const all = Number(
        await stage.kubectl('get', 'node', stage.node.name, '-o', 'jsonpath={.status.capacity.cpu}'),
      );
      await declare('urgent', { vcpus: all - 1, priorityClassName: 'urgent' });
      await untilReady('urgent');
      await expectRest('kept', vmm);
      expect(witness.goodbyes('gone')).toBe(2);
      expect(witness.goodbyes('kept')).toBe(0);
      for (const name of ['kept', 'gone'])
        expect(await stage.kubectl('get', 'instance', name, '-o', 'jsonpath={.status.conditions}')).toMatch(
          /Evicted|Insufficient cpu/,
        );
      await stage.kubectl('delete', 'instance', 'urgent', '--timeout=60s');
      await untilReady('kept', 'gone');
      expectOneLife('kept');
      expect(witness.boots('gone')).toHaveLength(3);
      await line?.echo('after the preemption', ECHO_MS);
    });
  },
);
