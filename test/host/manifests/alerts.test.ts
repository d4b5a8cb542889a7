import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { promtool, rulesText } from '../../support/prometheus.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(`${tmpdir()}/hm-alerts-`);
  await writeFile(`${directory}/rules.yaml`, await rulesText());
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

test('promtool finds nothing wrong with the rules', async () => {
  expect(await promtool('check', 'rules', `${directory}/rules.yaml`)).toMatch(/SUCCESS: \d\d rules found/);
});

type Series = Readonly<Record<string, string>>;
/** At a time, an alert fires with these labels and words; without them it does not. */
type Fires = {
  readonly at: string;
  readonly alert: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary?: string;
};

async function given(series: Series, ...fires: readonly Fires[]): Promise<void> {
  const tests = {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        alert_rule_test: fires.map(({ at, alert, labels, summary }) => ({
          eval_time: at,
          alertname: alert,
          exp_alerts: labels === undefined ? [] : [{ exp_labels: labels, exp_annotations: { summary } }],
        })),
      },
    ],
  };
  const file = `${directory}/tests.yaml`;
  await writeFile(file, stringify(tests));
  expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
}

const AGENT = 'up{job="hypeman-system/hypeman-agent",instance="node-1"}';
const [warning, critical] = [{ severity: 'warning' }, { severity: 'critical' }];

test('an agent that does not answer for five minutes is told, and a restart is not', () =>
  given(
    { [AGENT]: '1 0x3 1 1 0x20' },
    { at: '5m', alert: 'HypemanAgentDown' },
    { at: '10m', alert: 'HypemanAgentDown' },
    {
      at: '12m',
      alert: 'HypemanAgentDown',
      labels: { ...warning, job: 'hypeman-system/hypeman-agent', instance: 'node-1' },
      summary: 'The agent of node-1 is not answering: its machines run on and nobody tends them.',
    },
  ));

test('placement without a replica at work is told: none leads, or none is there', async () => {
  const [alert, summary] = [
    'HypemanPlacementLeaderless',
    'No replica of placement is at work: new Instances get no node, and evicted ones no other.',
  ];
  const [one, other] = ['a', 'b'].map((name) => `hypeman_placement_leader{instance="${name}"}`);
  await given(
    { [one ?? '']: '1x5 0x20', [other ?? '']: '0 0 0 0 0 0 0 1x20' },
    { at: '6m', alert },
    { at: '20m', alert },
  );
  await given({ [one ?? '']: '0x20' }, { at: '4m', alert }, { at: '6m', alert, labels: critical, summary });
  await given({ [AGENT]: '1x20' }, { at: '6m', alert, labels: critical, summary });
});

test('an agent that is silent by its Lease is told of by placement, once for both replicas', () =>
  given(
    {
      'hypeman_placement_nodes{standing="silent",instance="a"}': '0 2x20',
      'hypeman_placement_nodes{standing="silent",instance="b"}': '0 2x20',
      'hypeman_placement_nodes{standing="gone",instance="a"}': '3x20',
    },
    { at: '4m', alert: 'HypemanAgentSilent' },
    {
      at: '7m',
      alert: 'HypemanAgentSilent',
      labels: warning,
      summary:
        'On 2 nodes that are there nothing is heard of the agent: kubectl get nodes -l hypeman.dev/ready=false',
    },
  ));

test('Instances that are not ready, or have no node, are told of after half an hour', () =>
  given(
    {
      'hypeman_instance_conditions{type="Ready",status="True",instance="node-1"}': '5x60',
      'hypeman_instance_conditions{type="Ready",status="False",instance="node-1"}': '1x60',
      'hypeman_instance_conditions{type="Ready",status="Unknown",instance="node-2"}': '1x10 _x50',
      'hypeman_placement_unplaced_instances{instance="a"}': '3x60',
    },
    { at: '29m', alert: 'HypemanInstancesNotReady' },
    {
      at: '31m',
      alert: 'HypemanInstancesNotReady',
      labels: { ...warning, instance: 'node-1' },
      summary: 'On node-1, 1 Instances have not become ready for half an hour.',
    },
    {
      at: '31m',
      alert: 'HypemanInstancesUnplaced',
      labels: warning,
      summary: '3 Instances have had no node for half an hour: their condition Scheduled says why.',
    },
  ));

test('a proxy that is down is told of, and a placeholder that leaks at once', () =>
  given(
    {
      'hypeman_egress_proxy_up{instance="node-1"}': '1 0x20',
      'hypeman_egress_placeholder_leaks_total{namespace="shop",name="web",credential="openai"}': '0 0 1x20',
    },
    { at: '5m', alert: 'HypemanEgressProxyDown' },
    {
      at: '7m',
      alert: 'HypemanEgressProxyDown',
      labels: { ...critical, instance: 'node-1' },
      summary: 'The egress proxy of node-1 does not answer: mediated guests reach nothing.',
    },
    {
      at: '3m',
      alert: 'HypemanPlaceholderLeak',
      labels: { ...warning, namespace: 'shop', name: 'web', credential: 'openai' },
      summary: 'shop/web sends the placeholder of openai where no rule is for it.',
    },
    { at: '19m', alert: 'HypemanPlaceholderLeak' },
  ));
