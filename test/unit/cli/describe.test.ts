import { expect, test } from 'vitest';
import type { ReportedInstance } from '../../../src/api/reported.ts';
import { describeText } from '../../../src/cli/describe-text.ts';
import { NOW, condition, reported } from '../../support/cli-run.ts';

test('describe tells everything, in columns', () => {
  const instance = reported('web', {
    generation: 3,
    labels: { app: 'web' },
    spec: { image: 'docker.io/library/nginx:1.27', env: { TOKEN: '[secret]' } },
    status: {
      appliedGeneration: 2,
      pendingFields: ['spec.vcpus', 'spec.env.PORT'],
      startedAt: '2026-11-20T11:58:00Z',
      exitMessage: 'killed\u001b[2J by signal 9',
      exitCode: 137,
      conditions: [
        condition('Ready', 'False', 'CrashLoop', '2026-11-20T11:59:30Z'),
        condition('UpToDate', 'False', 'RestartRequired', '2026-11-20T11:50:00Z'),
      ],
    },
    events: [
      {
        type: 'Normal',
        reason: 'Started',
        message: 'the program runs',
        at: NOW - 5000,
        firstAt: NOW - 130_000,
        count: 3,
      },
      {
        type: 'Warning',
        reason: 'Exited',
        message: 'exit code 137',
        at: NOW - 9000,
        firstAt: NOW - 9000,
        count: 1,
      },
    ],
  });
  expect(describeText(instance, NOW)).toBe(`Name:          web
Namespace:     default
UID:           uid-web
ID:            idweb
Labels:        app=web
Annotations:   <none>
Created:       2026-11-20T11:57:00Z (3m ago)
Generation:    3 (the guest has 2)
State:         Running
Started:       2026-11-20T11:58:00Z (2m ago)
Exit code:     137
Exit message:  killed^[[2J by signal 9
Restarts:      0
Hypervisor:    qemu
Node:          node-1
Network:       default
IP:            10.100.0.2
Spec:
  image: docker.io/library/nginx:1.27
  env:
    TOKEN: "[hidden]"
Pending fields:
  spec.vcpus
  spec.env.PORT
Conditions:
  Type       Status   Reason            Age   Message
  Ready      False    CrashLoop         30s   CrashLoop it is
  UpToDate   False    RestartRequired   10m   RestartRequired it is
Events:
  Type      Reason    Age                  Message
  Normal    Started   5s (x3 over 2m10s)   the program runs
  Warning   Exited    9s                   exit code 137
`);
});

test('an instance that was never valid says so, and what is empty is named', () => {
  const bad: { spec?: ReportedInstance['spec'] } & ReportedInstance = reported('bad', {
    status: { conditions: [] },
  });
  delete bad.spec;
  const text = describeText(bad, NOW);
  expect(text).toContain('Spec:  <never valid>');
  expect(text).toContain('Conditions:  <none>');
  expect(text).toContain('Events:  <none>');
});

test('a fork tells whom it is from, since when it is itself, and how long its source stood still', () => {
  const fork = { source: 'base', sourcePauseMs: 120, completedAt: '2026-11-20T11:58:00Z' };
  const text = describeText(reported('one', { status: { fork } }), NOW);
  expect(text).toMatch(/^Forked from: +base$/m);
  expect(text).toMatch(/^Forked at: +2026-11-20T11:58:00Z \(2m ago\)$/m);
  expect(text).toMatch(/^Source paused: +120 ms$/m);
  expect(describeText(reported('web'), NOW)).not.toMatch(/[Ff]ork|paused/);
});

test('forks and their forks are a tree, with what state each is in', () => {
  const forkOf = (name: string, source: string, state: 'Running' | 'Standby'): ReportedInstance =>
    reported(name, { status: { state, fork: { source } } });
  const neighbours = [
    reported('base'),
    forkOf('two', 'base', 'Running'),
    forkOf('one', 'base', 'Standby'),
    forkOf('deep', 'one', 'Running'),
    forkOf('other', 'elsewhere', 'Running'),
  ];
  expect(describeText(reported('base'), NOW, { neighbours })).toContain(
    'Forks:\n  one (Standby)\n    deep (Running)\n  two (Running)\nSpec:',
  );
});
