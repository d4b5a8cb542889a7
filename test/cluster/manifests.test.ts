import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, must } from '../support/cluster-stage.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const missing = controlPlaneMissing();
const AGENT = 'system:serviceaccount:hypeman-system:hypeman-agent';
const PLACEMENT = 'system:serviceaccount:hypeman-system:hypeman-placement';

const FOREIGN = [
  ['', 'secrets'],
  ['', 'configmaps'],
  ['rbac.authorization.k8s.io', 'clusterroles'],
] as const;

describe.skipIf(missing !== undefined)(`the manifests ${missing ?? ''}`, () => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startControlPlane();
  });
  afterAll(async () => {
    await plane.close();
  });

  function kubectl(...args: readonly string[]): Promise<string> {
    return plane.kubectl('1.32', ...args);
  }
  async function built(path: string): Promise<readonly Mapping[]> {
    return parseAllDocuments(await kubectl('kustomize', `${ROOT}manifests/${path}`)).map(
      (one) => one.toJS() as Mapping,
    );
  }
  function find(documents: readonly Mapping[], kind: string): Mapping {
    return documents.find((one) => one.kind === kind) ?? {};
  }

  // 1.20 knows no x-kubernetes-validations: kubectl's own check would refuse the CRD for it.
  test.each(['', 'overlays/development'])(
    'manifests/%s applies to the oldest server, twice alike',
    async (path) => {
      const first = await kubectl('apply', '--validate=false', '-k', `${ROOT}manifests/${path}`);
      expect(first).toContain('customresourcedefinition.apiextensions.k8s.io/instances.hypeman.dev');
      expect(first).toContain('daemonset.apps/hypeman-agent');
      expect(first).toContain('deployment.apps/hypeman-placement');
      const second = await kubectl('apply', '--validate=false', '-k', `${ROOT}manifests/${path}`);
      const changed = second.split('\n').filter((line) => line !== '' && !line.endsWith(' unchanged'));
      // What 1.20 drops from the CRD differs each time.
      expect(changed.filter((line) => !line.startsWith('customresourcedefinition'))).toEqual([]);
    },
  );

  // Theirs are large and not ours: that they are served is enough here.
  async function serve(group: string, kinds: Readonly<Record<string, string>>): Promise<void> {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    for (const [kind, plural] of Object.entries(kinds)) {
      const versions = [{ name: 'v1', served: true, storage: true, schema }];
      const names = { kind, plural, singular: kind.toLowerCase() };
      const metadata = { name: `${plural}.${group}` };
      await must(plane.admin, {
        method: 'POST',
        path,
        body: { metadata, spec: { group, scope: 'Namespaced', names, versions } },
      });
    }
    for (const plural of Object.values(kinds))
      await eventually(
        async () =>
          (await plane.admin.ask({ method: 'GET', path: `/apis/${group}/v1/${plural}` })).status === 200,
      );
  }

  test('the overlay for Prometheus and the example for Flux apply by an old kubectl and by a current one', async () => {
    await serve('monitoring.coreos.com', { PodMonitor: 'podmonitors', PrometheusRule: 'prometheusrules' });
    await serve('source.toolkit.fluxcd.io', { GitRepository: 'gitrepositories' });
    await serve('kustomize.toolkit.fluxcd.io', { Kustomization: 'kustomizations' });
    await kubectl('create', 'namespace', 'flux-system');
    for (const path of ['overlays/prometheus', 'flux']) {
      const file = `${plane.directory}/built.yaml`;
      // 1.20's own kustomize does not know every word of ours: see manifests/overlays/README.md.
      await writeFile(file, await kubectl('kustomize', `${ROOT}manifests/${path}`));
      for (const version of ['1.20', '1.32'] as const)
        expect(await plane.kubectl(version, 'apply', '--validate=false', '-f', file)).toContain(
          path === 'flux' ? 'kustomization' : 'podmonitor',
        );
    }
  });

  test('metrics leave the node only with the overlay for Prometheus', async () => {
    const container = ['spec', 'template', 'spec', 'containers', 0];
    const [base, measured] = [await built('base'), await built('overlays/prometheus')];
    expect(JSON.stringify(base)).not.toContain('metrics-listen');
    const agent = find(measured, 'DaemonSet');
    expect(valueAt(agent, [...container, 'args'])).toContain('--metrics-listen=[$(NODE_IP)]:9465');
    expect(valueAt(agent, [...container, 'env'])).toContainEqual({
      name: 'NODE_IP',
      valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } },
    });
    const monitor = find(measured, 'PodMonitor');
    const port = textAt(monitor, ['spec', 'podMetricsEndpoints', 0, 'port']);
    expect(valueAt(agent, [...container, 'ports'])).toContainEqual({
      name: port,
      containerPort: 9465,
      protocol: 'TCP',
    });
    expect(valueAt(monitor, ['spec', 'selector'])).toEqual(valueAt(agent, ['spec', 'selector']));
    const dashboard = valueAt(find(measured, 'ConfigMap'), ['data', 'hypeman.json']);
    expect(JSON.parse(String(dashboard))).toHaveProperty('title', 'hypeman-controller');
  });

  test('each PodMonitor selects Pods of ours that have its port', async () => {
    const measured = await built('overlays/prometheus');
    const template = ['spec', 'template'];
    const pods = ['DaemonSet', 'Deployment'].map((kind) => find(measured, kind));
    for (const monitor of measured.filter(({ kind }) => kind === 'PodMonitor')) {
      const selected = valueAt(monitor, ['spec', 'selector', 'matchLabels', 'app.kubernetes.io/name']);
      const owner = pods.find(
        (one) => valueAt(one, [...template, 'metadata', 'labels', 'app.kubernetes.io/name']) === selected,
      );
      const name = textAt(monitor, ['spec', 'podMetricsEndpoints', 0, 'port']);
      const ports = valueAt(owner, [...template, 'spec', 'containers', 0, 'ports']);
      expect(ports, String(selected)).toContainEqual(expect.objectContaining({ name }));
    }
    expect(measured.filter(({ kind }) => kind === 'PodMonitor')).toHaveLength(2);
  });

  test('what Argo CD is taught leaves the rest of its settings alone', async () => {
    await kubectl('create', 'namespace', 'argocd');
    await kubectl(
      '-n',
      'argocd',
      'create',
      'configmap',
      'argocd-cm',
      '--from-literal=url=https://argo.example.com',
    );
    await kubectl('apply', '--server-side', '-k', `${ROOT}manifests/argocd`);
    const path = '/api/v1/namespaces/argocd/configmaps/argocd-cm';
    const settings = await must(plane.admin, { method: 'GET', path });
    const script = readFileSync(`${ROOT}manifests/argocd/health.lua`, 'utf8');
    expect(valueAt(settings, ['data'])).toEqual({
      url: 'https://argo.example.com',
      'resource.customizations.health.hypeman.dev_Instance': script,
      'resource.customizations.health.hypeman.dev_Volume': script,
    });
  });

  async function may(
    verb: string,
    group: string,
    resource: string,
    { namespace = 'default', user = AGENT } = {},
  ): Promise<boolean> {
    const [name, subresource] = resource.split('/');
    const body = {
      spec: { user, resourceAttributes: { verb, group, resource: name, subresource, namespace } },
    };
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const answer = await must(plane.admin, { method: 'POST', path, body });
    return valueAt(answer, ['status', 'allowed']) === true;
  }

  test('the agent may do what it does, and nothing else', async () => {
    for (const verb of ['get', 'list', 'watch', 'patch'])
      expect(await may(verb, 'hypeman.dev', 'instances'), verb).toBe(true);
    expect(await may('patch', 'hypeman.dev', 'instances/status')).toBe(true);
    expect(await may('create', 'events.k8s.io', 'events')).toBe(true);
    for (const verb of ['create', 'update', 'delete', 'deletecollection'])
      expect(await may(verb, 'hypeman.dev', 'instances'), verb).toBe(false);
    for (const [group, resource] of FOREIGN)
      for (const verb of ['get', 'list', 'watch', 'create', 'patch'])
        expect(await may(verb, group, resource), `${verb} ${resource}`).toBe(false);
    for (const verb of ['get', 'create', 'patch'])
      for (const [namespace, allowed] of Object.entries({ 'hypeman-nodes': true, 'hypeman-system': false }))
        expect(await may(verb, 'coordination.k8s.io', 'leases', { namespace }), namespace).toBe(allowed);
    for (const verb of ['create', 'patch', 'delete'])
      for (const resource of ['pods', 'nodes'])
        expect(await may(verb, '', resource), `${verb} ${resource}`).toBe(false);
  });

  test('placement makes Pods and labels Nodes, and neither reads Secrets nor runs anything on a node', async () => {
    const user = PLACEMENT;
    for (const verb of ['list', 'watch', 'create', 'patch', 'delete'])
      expect(await may(verb, '', 'pods', { user }), verb).toBe(true);
    for (const verb of ['list', 'watch', 'patch'])
      expect(await may(verb, '', 'nodes', { user }), verb).toBe(true);
    for (const verb of ['create', 'update', 'delete'])
      expect(await may(verb, 'hypeman.dev', 'instances', { user }), verb).toBe(false);
    for (const [group, resource] of [...FOREIGN, ['', 'pods/exec'], ['', 'nodes/proxy']] as const)
      for (const verb of ['get', 'list', 'watch', 'create', 'patch'])
        expect(await may(verb, group, resource, { user }), `${verb} ${resource}`).toBe(false);
    const leases = ['coordination.k8s.io', 'leases'] as const;
    expect(await may('create', ...leases, { user, namespace: 'hypeman-system' })).toBe(true);
    expect(await may('create', ...leases, { user, namespace: 'kube-system' })).toBe(false);
    expect(await may('list', ...leases, { user, namespace: 'hypeman-nodes' })).toBe(true);
    expect(await may('delete', ...leases, { user, namespace: 'hypeman-nodes' })).toBe(true);
    expect(await may('patch', ...leases, { user, namespace: 'hypeman-nodes' })).toBe(false);
  });

  test('Secrets are read where their owner says so, and nowhere else', async () => {
    await kubectl('create', 'namespace', 'shop');
    await kubectl(
      ...['-n', 'shop', 'create', 'rolebinding', 'hypeman', '--clusterrole=hypeman-secret-reader'],
      '--serviceaccount=hypeman-system:hypeman-agent',
    );
    expect(await may('watch', '', 'secrets', { namespace: 'shop' })).toBe(true);
    expect(await may('watch', '', 'secrets')).toBe(false);
  });

  test('the agent runs on chosen nodes with KVM, in development on all of them without', async () => {
    const [base, development] = [
      find(await built('base'), 'DaemonSet'),
      find(await built('overlays/development'), 'DaemonSet'),
    ];
    const pod = ['spec', 'template', 'spec'];
    expect(valueAt(base, [...pod, 'nodeSelector'])).toHaveProperty(['hypeman.dev/agent'], 'true');
    expect(valueAt(development, [...pod, 'nodeSelector'])).toEqual({ 'kubernetes.io/os': 'linux' });
    expect(valueAt(base, [...pod, 'containers', 0, 'args'])).toContain('--kubernetes');
    expect(valueAt(base, [...pod, 'containers', 0, 'args'])).not.toContain('--accelerator=tcg');
    expect(valueAt(development, [...pod, 'containers', 0, 'args'])).toContain('--accelerator=tcg');
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
    expect(textAt(base, [...pod, 'containers', 0, 'image'])).toBe(`hypeman-controller:${version}`);
  });

  test('the image holds every Debian package that the host needs', () => {
    const [, needed = ''] =
      /^runtime=\((.*)\)$/m.exec(readFileSync(`${ROOT}test/tools/ensure-host.sh`, 'utf8')) ?? [];
    const [, installed = ''] = readFileSync(`${ROOT}manifests/Containerfile`, 'utf8').split('bookworm-slim');
    expect(needed.split(' ').length).toBeGreaterThan(5);
    expect(needed.split(' ').filter((name) => !installed.includes(` ${name}`))).toEqual([]);
  });
});
