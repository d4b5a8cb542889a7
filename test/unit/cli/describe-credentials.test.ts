import { afterEach, beforeEach, expect, test } from 'vitest';
import { auditedController } from '../../support/audited-controller.ts';
import type { AuditedController } from '../../support/audited-controller.ts';
import { NOW, cli, report, reported } from '../../support/cli-run.ts';

const MEDIATED = { image: 'a/b', network: { egress: { enabled: true } } };

let controller: AuditedController;
beforeEach(async () => {
  controller = await auditedController();
});
afterEach(() => controller.end());

const CREDENTIALS = {
  openai: {
    source: { env: 'KEY' },
    inject: [
      {
        hosts: ['api.example.com', '*.example.org'],
        as: { header: 'Authorization', format: 'Bearer ${value}' },
      },
    ],
  },
  git: {
    source: { env: 'TOKEN' },
    inject: [{ as: { header: 'X-Token', format: '${value}' }, when: 'placeholder' }],
  },
};

test('describe tells of each credential where it goes, how old its value is and what became of it', async () => {
  const rotated = { name: 'openai', generation: 3, rotatedAt: '2026-11-20T11:58:00Z' };
  const web = reported('web', {
    spec: { ...MEDIATED, credentials: CREDENTIALS },
    status: { credentials: [rotated] },
  });
  await report(controller.base, web);
  const { proxy } = controller;
  proxy.decide({ at: NOW - 5000 });
  proxy.decide({ at: NOW - 4000 });
  proxy.decide({ at: NOW - 3000, verdict: 'refused', reason: 'HostMismatch' });
  proxy.decide({ host: 'evil\u001b.example.net', verdict: 'forwarded', reason: 'PlaceholderLeak' });
  const { stdout } = await cli([...controller.places, 'describe', 'web']);
  expect(stdout).toContain(`Credentials:
  openai:
    Rule:        Authorization for api.example.com, *.example.org, always
    Value:       generation 3, rotated 2m ago
    Used:        2 times, last 4s ago
    Refused:     HostMismatch, once
    Leaked:      the placeholder went to hosts without a rule once, last to evil?.example.net
  git:
    Rule:        X-Token for every host, where the guest sent the placeholder
    Used:        has not matched any request yet
`);
  proxy.setProblem('it was killed');
  expect((await cli([...controller.places, 'describe', 'web'])).stdout).toContain('it was killed');
  await controller.close();
  const alone = await cli([...controller.places, 'describe', 'web']);
  expect(alone.stdout).toContain('generation 3');
  expect(alone.stdout).toContain('(counters are not known: they need a running controller)');
  expect(alone.stdout).not.toContain('Used:');
});
