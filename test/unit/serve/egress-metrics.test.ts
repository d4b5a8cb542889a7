import { expect, test } from 'vitest';
import { openMetrics } from '../../../src/serve/metrics.ts';
import { scriptedEgress } from '../../support/scripted-egress.ts';

test('a scrape shows what the proxy has counted until now', async () => {
  const proxy = scriptedEgress({ idweb: 'default/web', iddb: 'prod/db' });
  const metrics = openMetrics('1', proxy.egress);
  proxy.decide();
  expect(await metrics.text()).toContain(
    'hypeman_egress_injections_total{namespace="default",name="web",credential="openai"} 1',
  );
  proxy.decide();
  proxy.decide({
    instance: 'iddb',
    key: 'prod/db',
    verdict: 'refused',
    reason: 'PrivateAddress',
    credentials: [],
  });
  proxy.decide({ verdict: 'failed', reason: 'UpstreamCertificate' });
  const text = await metrics.text();
  expect(text.match(/^hypeman_egress.*$/gm)?.sort()).toEqual([
    'hypeman_egress_credential_refusals_total{namespace="default",name="web",credential="openai",reason="UpstreamCertificate"} 1',
    'hypeman_egress_decisions_total{namespace="default",name="web",verdict="failed"} 1',
    'hypeman_egress_decisions_total{namespace="default",name="web",verdict="injected"} 2',
    'hypeman_egress_decisions_total{namespace="prod",name="db",verdict="refused"} 1',
    'hypeman_egress_dns_answers_total{namespace="default",name="web"} 0',
    'hypeman_egress_dns_answers_total{namespace="prod",name="db"} 0',
    'hypeman_egress_injections_total{namespace="default",name="web",credential="openai"} 2',
    'hypeman_egress_injections_total{namespace="prod",name="db",credential="openai"} 0',
    'hypeman_egress_placeholder_leaks_total{namespace="default",name="web",credential="openai"} 0',
    'hypeman_egress_placeholder_leaks_total{namespace="prod",name="db",credential="openai"} 0',
    'hypeman_egress_proxy_up 1',
    'hypeman_egress_refusals_total{namespace="default",name="web",reason="UpstreamCertificate"} 1',
    'hypeman_egress_refusals_total{namespace="prod",name="db",reason="PrivateAddress"} 1',
  ]);
});

test('no host becomes a label', async () => {
  const proxy = scriptedEgress({ idweb: 'default/web' });
  const metrics = openMetrics('1', proxy.egress);
  for (let at = 0; at < 50; at += 1) proxy.decide({ host: `h${at}.example.com` });
  expect(await metrics.text()).not.toContain('example.com');
});

test('another process begins to count anew, and without one only that is said', async () => {
  const proxy = scriptedEgress({ idweb: 'default/web' });
  const metrics = openMetrics('1', proxy.egress);
  proxy.decide();
  await metrics.text();
  proxy.restart();
  proxy.setProblem('it was killed');
  expect((await metrics.text()).match(/^hypeman_egress.*$/gm)).toEqual(['hypeman_egress_proxy_up 0']);
  proxy.setProblem(undefined);
  proxy.decide();
  expect(await metrics.text()).toContain('verdict="injected"} 1');
});
