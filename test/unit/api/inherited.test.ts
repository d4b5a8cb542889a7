import { describe, expect, test } from 'vitest';
import { inherited, inheritedProblems } from '../../../src/api/inherited.ts';
import { inheritanceOf } from '../../../src/api/inheritance.ts';
import type { Inheritance } from '../../../src/api/inheritance.ts';
import type { Credential, Instance, InstanceSpec } from '../../../src/api/instance.ts';
import { pathText } from '../../../src/api/problem.ts';
import { disguiseOf } from '../../../src/plan/policy-for.ts';
import { aFork, secrets } from '../../support/forks.ts';
import { anInstance } from '../../support/worlds.ts';

function credential(sourceEnv: string, header = 'Authorization', host = 'api.example.com'): Credential {
  return { sourceEnv, inject: [{ hosts: [host], header, format: '${value}', when: 'always' }] };
}

const MEDIATED = { enabled: true, egress: { enabled: true, mode: 'http_https_only' } } as const;

const SOURCE = anInstance({
  vcpus: 8,
  memoryBytes: 4 * 2 ** 30,
  cmd: ['serve'],
  diskBps: 1_000_000,
  network: { ...MEDIATED, downloadBps: 1000, uploadBps: 2000 },
  tags: { team: 'a' },
  restartPolicy: 'Never',
  state: 'Running',
  credentials: { TOKEN: credential('TOKEN') },
});

const LEFT = inheritanceOf(SOURCE, secrets({ TOKEN: 'real', PORT: '80' }), 'Standby');

function merged(own: Instance, from: Inheritance = LEFT): InstanceSpec {
  return inherited(own, from).spec;
}

describe('a fork and its source', () => {
  test('a fork that says nothing is its source under another name', () => {
    const spec = merged(aFork('copy', 'web'));
    const own = { forkFrom: spec.forkFrom, withheld: ['TOKEN'], env: {}, envFrom: [], state: 'Standby' };
    expect(spec).toEqual({ ...SOURCE.spec, ...own });
  });

  test('what it says itself is its own, field by field', () => {
    const own = aFork('copy', 'web', {
      spoken: ['network.uploadBps'],
      vcpus: 1,
      state: 'Stopped',
      tags: {},
      network: { enabled: true, uploadBps: 5, egress: { enabled: false, mode: 'all' } },
    });
    expect(merged(own)).toMatchObject({
      ...{ vcpus: 1, state: 'Stopped', memoryBytes: 4 * 2 ** 30, cmd: ['serve'] },
      network: { ...MEDIATED, downloadBps: 1000, uploadBps: 5 },
    });
    expect(merged(own).tags).toEqual({});
  });

  test('credentials are joined by name, and the fork wins', () => {
    const own = { TOKEN: credential('MINE'), OTHER: credential('OTHER', 'X-Other') };
    expect(merged(aFork('copy', 'web')).credentials).toEqual({ TOKEN: credential('TOKEN') });
    expect(merged(aFork('copy', 'web', { credentials: own })).credentials).toEqual(own);
  });

  test('with None it has its own alone, and still not the secret in its guest', () => {
    const fork = inherited(aFork('copy', 'web', { env: secrets({ TOKEN: 'mine' }) }, 'None'), LEFT);
    expect(fork.spec.credentials).toEqual({});
    expect(disguiseOf(fork)).toEqual({ withheld: ['TOKEN'], placeholders: {} });
  });

  test('an instance that is no fork is what it was', () => {
    expect(inherited(SOURCE, LEFT)).toBe(SOURCE);
  });
});

describe('what is left to forks', () => {
  test('has the plain environment and no source of a credential', () => {
    expect(Object.keys(LEFT.env)).toEqual(['PORT']);
    expect(LEFT.withheld).toEqual(['TOKEN']);
    expect(LEFT.spec).not.toHaveProperty('env');
  });

  test('what was withheld from a fork is withheld from its forks, whatever its credentials are', () => {
    const fork = inherited(aFork('copy', 'web', { credentials: { TOKEN: credential('MINE') } }), LEFT);
    const further = inheritanceOf(fork, secrets({ TOKEN: 'real', MINE: 'real too', PORT: '80' }), 'Running');
    expect(further.withheld).toEqual(['MINE', 'TOKEN']);
    expect(Object.keys(further.env)).toEqual(['PORT']);
    expect(further.spec).not.toHaveProperty('forkFrom');
  });
});

describe('what only both together can be wrong about', () => {
  function problemsOf(own: Instance): readonly string[] {
    return inheritedProblems(merged(own)).map(({ pointer }) => pathText(pointer));
  }

  test('nothing, when the fork says nothing', () => {
    expect(problemsOf(aFork('copy', 'web'))).toEqual([]);
  });

  test('inherited credentials without egress', () => {
    const egress = { enabled: false, mode: 'all' } as const;
    const without = { spoken: ['network.egress.enabled'], network: { enabled: true, egress } } as const;
    expect(problemsOf(aFork('copy', 'web', without))).toEqual(['spec.credentials']);
    expect(problemsOf(aFork('copy', 'web', without, 'None'))).toEqual([]);
  });

  test('inherited egress without a network', () => {
    const without = { spoken: ['network.enabled'], network: { ...MEDIATED, enabled: false } } as const;
    expect(problemsOf(aFork('copy', 'web', without))).toEqual(['spec.network.egress.enabled']);
  });

  test('an own rule that sets the header of an inherited one', () => {
    const own = { OTHER: credential('OTHER', 'authorization', '*.example.com') };
    expect(problemsOf(aFork('copy', 'web', { credentials: own }))).toEqual([
      'spec.credentials.OTHER.inject[0]',
    ]);
    expect(problemsOf(aFork('copy', 'web', { credentials: own }, 'None'))).toEqual([]);
  });
});
