import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { listOf, textAt, valueAt } from '../../../src/api/raw.ts';
import { openMetrics } from '../../../src/serve/metrics.ts';
import { openMeasuredController } from '../../support/measured-controller.ts';

const OVERLAY = new URL('../../../manifests/overlays/prometheus/', import.meta.url);

/** The labels of each metric that a controller or placement exposes, by the names that may be asked for. */
let exposed: ReadonlyMap<string, ReadonlySet<string>>;

beforeAll(async () => {
  const controller = await openMeasuredController();
  const placement = openMetrics('1');
  placement.placementIs(() => ({ isAtWork: true, unplaced: 0, nodes: { alive: 1 } }));
  exposed = metricsIn(`${await controller.metrics.text()}${await placement.text()}`);
  await controller.close();
});

function metricsIn(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const { name, labels = '' } = /^(?<name>[a-z_:]+)(?:\{(?<labels>.*)\})? /.exec(line)?.groups ?? {};
    if (name === undefined) continue;
    const known = found.get(name) ?? new Set();
    for (const [label] of labels.matchAll(/[a-z_]+(?==")/g)) known.add(label);
    found.set(name, known);
  }
  return found;
}

/** What Prometheus puts there itself: the target, and a bucket's bound. */
const GIVEN = new Set(['instance', 'le', 'job']);

type Asked = { readonly metric: string; readonly labels: readonly string[] };

/** The metrics of a PromQL expression, with the labels that are matched or grouped by. */
function askedIn(expression: string): readonly Asked[] {
  const groupings = expression.matchAll(/\bby \((?<labels>[^)]*)\)/g);
  const grouped = [...groupings].flatMap(({ groups }) => (groups?.labels ?? '').split(/,\s*/));
  const plain = expression.replaceAll(/\bor\b|\bby \([^)]*\)|\[[^\]]*\]/g, '');
  // A name that is followed by a bracket is a function's.
  const metrics = plain.matchAll(/(?<metric>[a-z_]+)(?:\{(?<matchers>[^}]*)\}|\b(?!\s*\())/g);
  return [...metrics].map(({ groups: { metric = '', matchers = '' } = {} }) => ({
    metric,
    labels: [...grouped, ...[...matchers.matchAll(/[a-z_]+(?=!?[=~])/g)].map(([name]) => name)],
  }));
}

function problemsOf(expression: string): readonly string[] {
  const asked = askedIn(expression).filter(({ metric }) => metric !== 'up');
  if (asked.length === 0 && !expression.startsWith('up')) return [`nothing is asked for in ${expression}`];
  return asked.flatMap(({ metric, labels }) => {
    const known = exposed.get(metric);
    if (known === undefined) return [`there is no ${metric}`];
    return labels
      .filter((label) => !known.has(label) && !GIVEN.has(label))
      .map((one) => `${metric} has no ${one}`);
  });
}

async function expressionsOfDashboard(): Promise<readonly string[]> {
  const dashboard: unknown = JSON.parse(await readFile(new URL('dashboard.json', OVERLAY), 'utf8'));
  const panels = listOf(valueAt(dashboard, ['panels']));
  return panels.flatMap((panel) =>
    listOf(valueAt(panel, ['targets'])).map((target) => textAt(target, ['expr']) ?? ''),
  );
}

test('every panel of the dashboard asks for metrics and labels that a running controller exposes', async () => {
  const expressions = await expressionsOfDashboard();
  expect(expressions.length).toBeGreaterThan(15);
  expect(expressions.flatMap(problemsOf)).toEqual([]);
});

test('every alert asks for metrics and labels that a running controller exposes', async () => {
  const rules: unknown = parse(await readFile(new URL('alerts.yaml', OVERLAY), 'utf8'));
  const expressions = listOf(valueAt(rules, ['spec', 'groups', 0, 'rules'])).map(
    (rule) => textAt(rule, ['expr']) ?? '',
  );
  expect(expressions.length).toBeGreaterThan(3);
  expect(expressions.flatMap(problemsOf)).toEqual([]);
});

test('a metric or a label that is not there is found', () => {
  expect(problemsOf('sum by (state) (rate(hypeman_gone_total{instance="a"}[5m]))')).toEqual([
    'there is no hypeman_gone_total',
  ]);
  expect(problemsOf('sum by (colour) (hypeman_instances{state="Running"})')).toEqual([
    'hypeman_instances has no colour',
  ]);
  expect(problemsOf('histogram_quantile(0.5, sum by (le) (rate(no_such_bucket{a="b"}[1m])))')).toEqual([
    'there is no no_such_bucket',
  ]);
  expect(problemsOf('sum(1)')).toEqual(['nothing is asked for in sum(1)']);
});

test('the dashboard leaves nothing out that the controller counts', async () => {
  const shown = new Set(
    (await expressionsOfDashboard()).flatMap((one) => askedIn(one).map(({ metric }) => metric)),
  );
  const families = [...exposed.keys()].filter(
    (name) => !/_(?:sum|count)$/.test(name) || !exposed.has(name.replace(/_(?:sum|count)$/, '_bucket')),
  );
  expect(families.filter((name) => !shown.has(name)).sort()).toEqual([
    // What is told by another panel, or only by an alert.
    ...['controller_runtime_active_workers', 'controller_runtime_reconcile_errors_total'],
    ...['hypeman_egress_credential_refusals_total', 'hypeman_egress_dns_answers_total'],
    ...['hypeman_egress_proxy_up', 'process_start_time_seconds', 'workqueue_adds_total'],
  ]);
});
