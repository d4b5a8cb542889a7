import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { InstanceCounters } from '../egress/audit-trail.ts';
import type { AuditedEgress } from './egress-routes.ts';

/** Reads the proxy's own figures into the metrics; to be awaited before they are printed. */
export type EgressMetrics = { refresh(): Promise<void> };

const WHO = ['namespace', 'name'] as const;

/**
 * The figures are the proxy's: they begin anew with its process, which counters in Prometheus may, and go
 * with their instance. No label is a guest's to choose: instances and credentials are declared, verdicts and
 * reasons are words of our own.
 */
export function openEgressMetrics(registers: Registry[], egress: AuditedEgress): EgressMetrics {
  const up = new Gauge({
    name: 'hypeman_egress_proxy_up',
    help: 'Whether the egress proxy answers, or rests because nothing is mediated.',
    registers,
  });
  const counter = counterFor(registers);
  const counted = {
    decisions: counter('decisions', 'Requests and connections by what was decided.', ['verdict']),
    refusals: counter('refusals', 'What was refused or failed, by reason.', ['reason']),
    injections: counter('injections', 'Requests that a credential was put into.', ['credential']),
    resolved: counter('dns_answers', 'Questions of DNS that had their answer.', []),
    leaks: counter(
      'placeholder_leaks',
      'Requests in which the placeholder of a credential went to a host without a rule for it.',
      ['credential'],
    ),
    rejections: counter(
      'credential_refusals',
      'What was refused or failed where a credential was concerned, by reason.',
      ['credential', 'reason'],
    ),
  };

  function add({ key, verdicts, resolved, refusals, credentials }: InstanceCounters): void {
    const who = whoIn(key);
    counted.resolved.inc(who, resolved);
    for (const [verdict, count] of Object.entries(verdicts))
      counted.decisions.inc({ ...who, verdict }, count);
    for (const [reason, count] of Object.entries(refusals)) counted.refusals.inc({ ...who, reason }, count);
    for (const [credential, { injected, leaks, refusals: own }] of Object.entries(credentials)) {
      counted.injections.inc({ ...who, credential }, injected);
      counted.leaks.inc({ ...who, credential }, leaks);
      for (const [reason, count] of Object.entries(own))
        counted.rejections.inc({ ...who, credential, reason }, count);
    }
  }

  return {
    refresh: async () => {
      const all = await countersOf(egress);
      // Between these lines nobody else runs: no scrape sees half of it.
      for (const one of Object.values(counted)) one.reset();
      up.set(all === undefined ? 0 : 1);
      for (const counters of all ?? []) add(counters);
    },
  };
}

function counterFor(
  registers: Registry[],
): (what: string, help: string, labels: readonly string[]) => Counter {
  return (what, help, labels) =>
    new Counter({ name: `hypeman_egress_${what}_total`, help, labelNames: [...WHO, ...labels], registers });
}

async function countersOf(egress: AuditedEgress): Promise<readonly InstanceCounters[] | undefined> {
  if (egress.problem() !== undefined) return undefined;
  return egress.counters().catch(() => undefined);
}

function whoIn(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}
