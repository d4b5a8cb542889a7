import { describe, expect, test } from 'vitest';
import type { EvictionPolicy, Instance, RunState } from '../../../../src/api/instance.ts';
import type { Condition, InstanceStatus, ReportedState } from '../../../../src/api/status.ts';
import { keyOf } from '../../../../src/machine/ids.ts';
import type { Known } from '../../../../src/sources/kubernetes/known-instances.ts';
import { declaredUnder, tenureOf } from '../../../../src/sources/kubernetes/tenure/tenure.ts';
import type { TenureFacts } from '../../../../src/sources/kubernetes/tenure/tenure.ts';
import { anInstance } from '../../../support/worlds.ts';

type Case = {
  readonly state?: RunState;
  readonly evictionPolicy?: EvictionPolicy;
  readonly heldBy?: string;
  readonly named?: string;
  readonly spec?: Partial<Instance['spec']>;
};

function known({
  state = 'Running',
  evictionPolicy = 'Stop',
  heldBy = 'node-a u1 pod-1',
  named,
  spec = {},
}: Case): Known {
  const metadata = { annotations: { 'hypeman.dev/held-by': heldBy } };
  return {
    object: { key: keyOf('shop', 'web'), uid: 'u1', resourceVersion: '7', document: { metadata } },
    declared: {
      is: 'wanted',
      uid: 'u1',
      generation: 3,
      instance: anInstance({ state, evictionPolicy, ...spec }),
    },
    ...(named === undefined ? {} : { named }),
    isClaimed: true,
    warnings: [],
  };
}

function status(
  state: ReportedState,
  ready = 'ProgramRunning',
  { reconciling = false, generation = 3 } = {},
): InstanceStatus {
  const stamp = { message: '', lastTransitionTime: '2026-11-22T07:00:00Z', observedGeneration: 3 };
  return {
    observedGeneration: generation,
    state,
    conditions: [
      { type: 'Ready', status: 'False', reason: ready, ...stamp },
      { type: 'Running', status: 'False', reason: 'Exited', ...stamp },
      ...(reconciling ? [{ type: 'Reconciling', status: 'True', reason: 'Ended', ...stamp } as const] : []),
    ],
  };
}

const READY_STOPPED: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Stopped',
  message: '',
  ...{ lastTransitionTime: '2026-11-22T07:00:00Z', observedGeneration: 3 },
};

const GONE: TenureFacts = {
  ...{ nodeName: 'node-a', pods: 'none', status: status('Running') },
  ...{ isStandbyUnavailable: false, isSourceThere: false },
};

describe('an Instance that the scheduler placed', () => {
  test('is as it is declared while a Pod of it is bound here', () => {
    expect(tenureOf(known({}), { ...GONE, pods: 'bound' })).toEqual({ is: 'placed' });
  });

  test('stays as it is while nobody can say whether it has a Pod', () => {
    const one = known({});
    const tenure = tenureOf(one, { ...GONE, pods: 'unknown' });
    expect(tenure).toEqual({ is: 'unknown' });
    expect(declaredUnder(tenure, one.declared)).toMatchObject({
      is: 'held',
      refused: { reason: 'SourceLost' },
    });
  });

  test.each<[string, Case, Partial<TenureFacts>, ReturnType<typeof tenureOf>]>([
    ['leaves with Stop', {}, {}, { is: 'leaving' }],
    [
      'leaves with Stop while its program ends',
      {},
      { status: status('Stopped', 'Exited', { reconciling: true }) },
      { is: 'leaving' },
    ],
    [
      'is put in standby with Standby',
      { evictionPolicy: 'Standby' },
      {},
      { is: 'waiting', state: 'Standby' },
    ],
    [
      'is stopped with Standby when no memory can be kept',
      { evictionPolicy: 'Standby' },
      { isStandbyUnavailable: true },
      { is: 'waiting', state: 'Stopped' },
    ],
    [
      'is not booted in order to be put in standby',
      { evictionPolicy: 'Standby' },
      { status: status('Stopped', 'Crashed') },
      { is: 'waiting', state: 'Running' },
    ],
    [
      'waits once it was kept, whatever the policy',
      { heldBy: 'node-a u1 kept' },
      {},
      { is: 'waiting', state: 'Standby' },
    ],
    [
      'stays where it is when its program ended for good',
      {},
      { status: status('Stopped', 'Exited') },
      { is: 'parked', state: 'Running' },
    ],
    [
      'lets a pass say whether an edit starts a program that ended for good',
      { heldBy: 'node-a u1 kept' },
      { status: status('Stopped', 'Completed', { generation: 2 }) },
      { is: 'parked', state: 'Running' },
    ],
    [
      'waits for room when it was stopped, and is to run again',
      { heldBy: 'node-a u1 kept' },
      { status: status('Stopped', 'Stopped', { generation: 2 }) },
      { is: 'waiting', state: 'Running' },
    ],
    ['stays when it is stopped by its spec', { state: 'Stopped' }, {}, { is: 'parked', state: 'Stopped' }],
    ['stays when it is in standby by its spec', { state: 'Standby' }, {}, { is: 'parked', state: 'Standby' }],
    [
      'waits for room when it would have to run for its standby',
      { state: 'Standby' },
      { status: status('Stopped') },
      { is: 'waiting', state: 'Stopped' },
    ],
    [
      'stays when its program ended for good before its standby',
      { state: 'Standby' },
      { status: status('Stopped', 'Exited') },
      { is: 'parked', state: 'Standby' },
    ],
    ['needs none when its spec names the node', { named: 'node-a' }, {}, { is: 'placed' }],
    ['needs none when a label brought it', { heldBy: 'node-a u1' }, {}, { is: 'placed' }],
    ['needs none by the mark of another object', { heldBy: 'node-a u9 pod-1' }, {}, { is: 'placed' }],
  ])('without a Pod it %s', (_, given, facts, tenure) => {
    expect(tenureOf(known(given), { ...GONE, ...facts })).toEqual(tenure);
  });

  test('and whose spec cannot be read, is stopped: a drain does not wait for whoever mends it', () => {
    const { declared, ...rest } = known({});
    const refused = { reason: 'Invalid', message: 'no image' } as const;
    const invalid: Known = { ...rest, declared: { is: 'held', uid: 'u1', generation: 3, refused } };
    expect(declared.is).toBe('wanted');
    expect(tenureOf(invalid, GONE)).toEqual({ is: 'stopped' });
    expect(tenureOf(invalid, { ...GONE, pods: 'bound' })).toEqual({ is: 'placed' });
    expect(declaredUnder({ is: 'stopped' }, invalid.declared)).toMatchObject({ is: 'held', isToStop: true });
  });

  const fork = { forkFrom: { instance: 'base', fromRunning: false, credentials: 'Inherit' } } as const;
  test.each<[string, Case, Partial<TenureFacts>, ReturnType<typeof tenureOf>]>([
    ['keeps its disks with Stop', { spec: fork }, {}, { is: 'waiting', state: 'Stopped' }],
    ['leaves where it can be made anew', { spec: fork }, { isSourceThere: true }, { is: 'leaving' }],
    [
      'is as its source was when it does not say what it is to be',
      { spec: { ...fork, silent: ['state'] } },
      { status: { ...status('Stopped'), conditions: [READY_STOPPED] } },
      { is: 'parked', state: 'Stopped' },
    ],
  ])('a fork without a Pod %s', (_, given, facts, tenure) => {
    expect(tenureOf(known(given), { ...GONE, ...facts })).toEqual(tenure);
  });

  test('a fork that waits is to be at rest by the word of its node, and not of its source', () => {
    const { declared } = known({ spec: { ...fork, silent: ['state', 'vcpus'] } });
    expect(declaredUnder({ is: 'waiting', state: 'Stopped' }, declared)).toMatchObject({
      instance: { spec: { state: 'Stopped', silent: ['vcpus'] } },
    });
  });

  test.each<[string, Case, Partial<TenureFacts>, ReturnType<typeof tenureOf>]>([
    ['stays while it runs', {}, {}, { is: 'misplaced', to: 'node-b' }],
    ['goes with Recreate', { spec: { updatePolicy: 'Recreate' } }, {}, { is: 'leaving', to: 'node-b' }],
    [
      'stays while it is stopped',
      { state: 'Stopped' },
      { status: status('Stopped') },
      { is: 'misplaced', to: 'node-b' },
    ],
    [
      'goes when it is to start',
      {},
      { status: status('Stopped', 'Stopped') },
      { is: 'leaving', to: 'node-b' },
    ],
    [
      'stays when its program ended',
      {},
      { status: status('Stopped', 'Exited') },
      { is: 'misplaced', to: 'node-b' },
    ],
  ])('one whose spec names another node %s', (_, given, facts, tenure) => {
    const elsewhere = known({ heldBy: 'node-a u1', named: 'node-b', ...given });
    expect(tenureOf(elsewhere, { ...GONE, ...facts })).toEqual(tenure);
  });

  test('that leaves is gone for this host, and one that waits is to be at rest', () => {
    const { declared } = known({});
    expect(declaredUnder({ is: 'leaving' }, declared)).toEqual({ is: 'gone' });
    expect(declaredUnder({ is: 'waiting', state: 'Standby' }, declared)).toMatchObject({
      is: 'wanted',
      generation: 3,
      instance: { spec: { state: 'Standby' } },
    });
  });

  test('that is being deleted is removed, Pod or not', () => {
    const deleted: Known = { ...known({}), declared: { is: 'gone' } };
    expect(declaredUnder(tenureOf(deleted, GONE), deleted.declared)).toEqual({ is: 'gone' });
  });
});
