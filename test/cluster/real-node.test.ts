import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import { commandOutput } from '../../src/host/exec.ts';
import type { BootWitness } from '../support/boot-witness.ts';
import { AGENT_NAMESPACE } from '../support/cluster-agent-pod.ts';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { isRefused, openNodeStage } from '../support/cluster-node-stage.ts';
import type { NodeStage } from '../support/cluster-node-stage.ts';
import { nodeMissing } from '../support/cluster-node.ts';
import { eventually, must } from '../support/cluster-stage.ts';
import { hierarchies } from '../support/test-cgroup.ts';

const missing = controlPlaneMissing() ?? (await nodeMissing());
if (missing !== undefined) process.stderr.write(`test/cluster/real-node.test.ts is skipped: ${missing}\n`);
const STEP_MS = 300_000;
const BOOT_S = 150;

describe.skipIf(missing !== undefined)(
  `an agent on a real node ${missing ?? ''}`,
  { timeout: STEP_MS },
  () => {
    let stage: NodeStage;
    let witness: BootWitness;
    let pod: string;

    beforeAll(async () => {
      stage = await openNodeStage();
      ({ witness } = stage);
      pod = await stage.agent.readyPod();
      await stage.yard.create('web', { nodeName: stage.node.name, ...stage.spec('web') });
    }, STEP_MS);
    afterAll(async () => {
      await stage.close();
    }, STEP_MS);

    async function untilReady(name: string): Promise<void> {
      await stage.kubectl('wait', '--for=condition=Ready', `instance/${name}`, `--timeout=${BOOT_S}s`);
    }
    async function nameOfToken(account: string): Promise<string> {
      const found = await must(stage.plane.admin, { method: 'GET', path: account });
      return textAt(found, ['secrets', 0, 'name']) ?? '';
    }
    function agents(...words: readonly string[]): ReturnType<NodeStage['agent']['kubectl']> {
      return stage.agent.kubectl('-n', AGENT_NAMESPACE, ...words);
    }
    /** The guest went on while this was done, and its requests passed. */
    async function undisturbed(done: () => Promise<unknown>): Promise<void> {
      const longLived = async (): Promise<readonly unknown[]> => [
        await stage.vmmOf('web'),
        await stage.proxy(),
      ];
      const [before, heard] = [await longLived(), witness.count('web')];
      expect(before).not.toContain(undefined);
      await done();
      expect(await longLived()).toEqual(before);
      expect(witness.count('web')).toBeGreaterThan(heard);
      const after = witness.count('web');
      await eventually(() => witness.count('web') > after);
      expect(witness.boots('web')).toHaveLength(1);
    }

    test('runs an Instance: kubectl waits for it, gets it and describes what happened', async () => {
      await untilReady('web');
      expect(await stage.kubectl('get', 'instance', 'web')).toMatch(/web +Running +True/);
      expect(await stage.kubectl('describe', 'instance', 'web')).toMatch(/Events:[^]*ProgramStarted/);
      await eventually(async () => witness.count('web') > 0 || (await stage.plugin('egress', 'web')).stdout);
    });

    test('kubectl hypeman reaches the guest through the API server and the kubelet', async () => {
      const asked = await stage.plugin('exec', 'web', '--', 'cat', '/proc/sys/kernel/random/boot_id');
      expect(asked).toMatchObject({ exitCode: 0, stdout: witness.boots('web')[0] });
      expect(await stage.plugin('exec', 'web', '--', 'sh', '-c', 'exit 7')).toMatchObject({ exitCode: 7 });
      expect((await stage.plugin('logs', 'web')).stdout).toContain('ticking');
    });

    test('keeps machines and proxy out of its own cgroups, and as unlikely to be killed as any process', async () => {
      for (const [pid, name] of [
        [await stage.vmmOf('web'), await stage.idOf('web')],
        [await stage.proxy(), 'egress-[a-z0-9]+'],
      ] as const) {
        const memberships = (await readFile(`/proc/${pid ?? 0}/cgroup`, 'utf8')).trim().split('\n');
        expect(memberships.filter((line) => !new RegExp(`:/hypeman/${name}$`).test(line))).toEqual([]);
        expect(await readFile(`/proc/${pid ?? 0}/oom_score_adj`, 'utf8')).toBe('0\n');
      }
    });

    test('whose Pod is deleted leaves the guest alone, and the next one tends it', async () => {
      await undisturbed(async () => {
        await agents('delete', 'pod', '-l', 'app.kubernetes.io/name=hypeman-agent');
        pod = await stage.agent.readyPod(pod);
      });
      await eventually(async () => {
        const asked = await stage.plugin('exec', 'web', '--', 'hostname');
        return asked.stdout === 'web' || asked;
      });
    });

    test('is replaced by a rolling update under a guest that goes on', async () => {
      await undisturbed(async () => {
        await agents('rollout', 'restart', 'daemonset/hypeman-agent');
        await agents('rollout', 'status', 'daemonset/hypeman-agent');
        pod = await stage.agent.readyPod(pod);
      });
    });

    test('goes on with the token that the kubelet puts in place of one that is revoked', async () => {
      const { admin } = stage.plane;
      const path = `/api/v1/namespaces/${AGENT_NAMESPACE}/serviceaccounts/hypeman-agent`;
      const secret = `/api/v1/namespaces/${AGENT_NAMESPACE}/secrets/${await nameOfToken(path)}`;
      const old = textAt(await must(admin, { method: 'GET', path: secret }), ['data', 'token']) ?? '';
      const body = {
        ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
        spec: { expirationSeconds: 3600 },
      };
      const fresh = await must(admin, { method: 'POST', path: `${path}/token`, body });
      const token = Buffer.from(textAt(fresh, ['status', 'token']) ?? '').toString('base64');
      // A token of this kind is good while its Secret holds it; a server remembers a good one for ten seconds.
      const patch = 'application/merge-patch+json';
      await must(admin, { method: 'PATCH', path: secret, patch, body: { data: { token } } });
      await eventually(() => isRefused(stage.plane.port, Buffer.from(old, 'base64').toString()));
      const { metadata } = await stage.yard.merge('web', { spec: { tags: { token: 'second' } } });
      await eventually(async () => {
        const seen = valueAt((await stage.yard.read('web')).body, ['status', 'observedGeneration']);
        return seen === valueAt(metadata, ['generation']) || seen;
      }, STEP_MS);
      expect(await stage.agent.readyPod()).toBe(pod);
    });

    test('is drained: a machine that the scheduler placed ends kindly, and comes again with another Pod', async () => {
      const { node, yard } = stage;
      await yard.create('placed', { nodeName: undefined, ...stage.spec('placed') });
      await untilReady('placed');
      const placeholders = ['get', 'pods', '-l', 'hypeman.dev/placeholder=true'];
      const holder = (): Promise<string> =>
        stage.kubectl(...placeholders, '-o', 'jsonpath={.items[*].metadata.uid}');
      const first = await holder();
      const vmm = await stage.vmmOf('placed');
      await eventually(async () => {
        const memberships = await readFile(`/proc/${vmm ?? 0}/cgroup`, 'utf8');
        return memberships.includes(`/pod${first}/vmm`) || memberships;
      });
      await eventually(() => witness.count('placed') > 0);
      await stage.kubectl('drain', node.name, '--ignore-daemonsets', '--timeout=180s');
      expect(witness.goodbyes('placed')).toBe(1);
      expect(await stage.vmmOf('placed')).toBeUndefined();
      await stage.kubectl('uncordon', node.name);
      await untilReady('placed');
      await eventually(() => witness.boots('placed').length === 2);
      expect(await holder()).not.toBe(first);
      await stage.kubectl('delete', 'instance', 'placed', '--timeout=60s');
      // Long before its grace of two minutes: its holder is told.
      await eventually(async () => (await holder()) === '' || 'its placeholder is there', 60_000);
    });

    test('leaves nothing of an Instance that is deleted', async () => {
      const id = await stage.idOf('web');
      await stage.kubectl('delete', 'instance', 'web', '--timeout=60s');
      expect(await stage.vmmOf('web')).toBeUndefined();
      const links = await commandOutput('ip', ['-netns', stage.node.network.namespace, '-brief', 'link']);
      expect(links).not.toMatch(/^hm-/m);
      const left = (): readonly string[] =>
        hierarchies.map(({ at }) => `${at}/hypeman/${id}`).filter((path) => existsSync(path));
      // Collected once a minute.
      await eventually(() => left().length === 0 || left(), 90_000);
    });
  },
);
