import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { argumentsOf } from '../../src/host/processes.ts';
import { openBootWitness } from '../support/boot-witness.ts';
import type { BootWitness } from '../support/boot-witness.ts';
import { AGENT_NAMESPACE, installAgent } from '../support/cluster-agent-pod.ts';
import type { AgentOnNode } from '../support/cluster-agent-pod.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { nodeMissing, startClusterNode } from '../support/cluster-node.ts';
import type { ClusterNode } from '../support/cluster-node.ts';
import { eventually, makeYard, must } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';
import { makeDemoImage } from '../support/demo-image.ts';
import { hierarchies } from '../support/test-cgroup.ts';

const missing = controlPlaneMissing() ?? (await nodeMissing());
if (missing !== undefined) process.stderr.write(`test/cluster/real-node.test.ts is skipped: ${missing}\n`);
const SETUP_MS = 420_000;
const BOOT_MS = 120_000;

describe.skipIf(missing !== undefined)(`an agent on a real node ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let node: ClusterNode;
  let agent: AgentOnNode;
  let witness: BootWitness;
  let yard: Yard;
  let pod: string;

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    node = await startClusterNode(plane);
    agent = await installAgent(plane, node);
    witness = await openBootWitness(node.network.outside);
    await makeDemoImage(`${node.directory}/state/demo`);
    yard = await makeYard(plane.admin);
    pod = await agent.readyPod();
    await yard.create('web', {
      // As the agent's container sees it.
      image: 'oci:/var/lib/hypeman/demo:latest',
      ...{ nodeName: node.name, size: '128MB', vcpus: 1 },
      entrypoint: ['/bin/sh', '-c', witness.program],
      network: { egress: { enabled: true } },
    });
  }, SETUP_MS);
  afterAll(async () => {
    await witness.close();
    await node.close();
    await plane.close();
  }, SETUP_MS);

  async function kubectl(...words: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await agent.kubectl('-n', yard.namespace, ...words);
    if (exitCode !== 0) throw new Error(`kubectl ${words.join(' ')}: ${stderr}`);
    return stdout;
  }
  /** The processes of the node that must outlive agents. */
  async function longLived(): Promise<Readonly<Record<'vmm' | 'proxy', number | undefined>>> {
    const named: [string, number][] = [];
    for (const pid of await node.network.pids()) named.push([(await argumentsOf(pid)).join(' '), pid]);
    const find = (pattern: RegExp): number | undefined => named.find(([words]) => pattern.test(words))?.[1];
    return { vmm: find(/^qemu-system/), proxy: find(/^hypeman-egress/) };
  }
  /** The guest went on while this was done, and its requests passed. */
  async function undisturbed(done: () => Promise<unknown>): Promise<void> {
    const [before, heard] = [await longLived(), witness.count()];
    expect(before.vmm).toBeDefined();
    expect(before.proxy).toBeDefined();
    await done();
    expect(await longLived()).toEqual(before);
    expect(witness.count()).toBeGreaterThan(heard);
    const after = witness.count();
    await eventually(() => witness.count() > after);
    expect(witness.boots()).toHaveLength(1);
  }

  test(
    'runs an Instance: kubectl waits for it, gets it and describes what happened',
    async () => {
      await kubectl('wait', '--for=condition=Ready', 'instance/web', `--timeout=${BOOT_MS / 1000}s`);
      expect(await kubectl('get', 'instance', 'web')).toMatch(/web +Running +True/);
      expect(await kubectl('describe', 'instance', 'web')).toMatch(/Events:[^]*ProgramStarted/);
      await eventually(() => witness.count() > 0);
    },
    SETUP_MS,
  );

  test('kubectl hypeman reaches the guest through the API server and the kubelet', async () => {
    const [boot = ''] = witness.boots();
    expect(await kubectl('hypeman', 'exec', 'web', '--', 'cat', '/proc/sys/kernel/random/boot_id')).toBe(
      boot,
    );
    expect(
      await agent.kubectl('-n', yard.namespace, 'hypeman', 'exec', 'web', '--', 'sh', '-c', 'exit 7'),
    ).toMatchObject({ exitCode: 7 });
    expect(await kubectl('hypeman', 'logs', 'web')).toContain('ticking');
  });

  test('keeps machines and proxy out of its own cgroups', async () => {
    const id = textAt((await yard.read('web')).body, ['status', 'id']) ?? '';
    const { vmm, proxy } = await longLived();
    for (const [pid, name] of [
      [vmm, id],
      [proxy, 'egress-[a-z0-9]+'],
    ] as const) {
      const memberships = (await readFile(`/proc/${pid ?? 0}/cgroup`, 'utf8')).trim().split('\n');
      expect(memberships.filter((line) => !new RegExp(`:/hypeman/${name}$`).test(line))).toEqual([]);
      expect(await readFile(`/proc/${pid ?? 0}/oom_score_adj`, 'utf8')).toBe('0\n');
    }
  });

  test(
    'whose Pod is deleted leaves the guest alone, and the next one tends it',
    async () => {
      await undisturbed(async () => {
        await agent.kubectl(
          '-n',
          AGENT_NAMESPACE,
          'delete',
          'pod',
          '-l',
          'app.kubernetes.io/name=hypeman-agent',
        );
        pod = await agent.readyPod(pod);
      });
      expect(await kubectl('hypeman', 'exec', 'web', '--', 'hostname')).toBe('web');
    },
    SETUP_MS,
  );

  test(
    'is replaced by a rolling update under a guest that goes on',
    async () => {
      await undisturbed(async () => {
        await agent.kubectl('-n', AGENT_NAMESPACE, 'rollout', 'restart', 'daemonset/hypeman-agent');
        await agent.kubectl('-n', AGENT_NAMESPACE, 'rollout', 'status', 'daemonset/hypeman-agent');
        pod = await agent.readyPod(pod);
      });
    },
    SETUP_MS,
  );

  test(
    'goes on with the token that the kubelet puts in place of one that is revoked',
    async () => {
      const accounts = `/api/v1/namespaces/${AGENT_NAMESPACE}/serviceaccounts/hypeman-agent`;
      const account = await must(plane.admin, { method: 'GET', path: accounts });
      const fresh = await must(plane.admin, {
        method: 'POST',
        path: `${accounts}/token`,
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { expirationSeconds: 3600 },
        },
      });
      const token = Buffer.from(textAt(fresh, ['status', 'token']) ?? '').toString('base64');
      // A token of this kind is good while its Secret holds it.
      await must(plane.admin, {
        method: 'PATCH',
        path: `/api/v1/namespaces/${AGENT_NAMESPACE}/secrets/${textAt(account, ['secrets', 0, 'name']) ?? ''}`,
        patch: 'application/merge-patch+json',
        body: { data: { token } },
      });
      const { metadata } = await yard.merge('web', { spec: { tags: { token: 'second' } } });
      const generation = valueAt(metadata, ['generation']);
      await eventually(async () => {
        const seen = valueAt((await yard.read('web')).body, ['status', 'observedGeneration']);
        return seen === generation || seen;
      }, BOOT_MS);
      expect(await agent.readyPod()).toBe(pod);
    },
    SETUP_MS,
  );

  test(
    'leaves nothing of an Instance that is deleted',
    async () => {
      const id = textAt((await yard.read('web')).body, ['status', 'id']) ?? '';
      await kubectl('delete', 'instance', 'web', '--timeout=60s');
      expect((await longLived()).vmm).toBeUndefined();
      expect(await commandOutput('ip', ['-netns', node.network.namespace, '-brief', 'link'])).not.toMatch(
        /^hm-/m,
      );
      // Collected once a minute.
      const left = (): readonly string[] =>
        hierarchies.map(({ at }) => `${at}/hypeman/${id}`).filter((path) => existsSync(path));
      await eventually(() => left().length === 0 || left(), 90_000);
    },
    SETUP_MS,
  );
});
