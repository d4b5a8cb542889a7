import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../../../src/machine/ids.ts';
import { withInherited } from '../../../../../src/sources/kubernetes/placement/fork-demand.ts';
import type { InstanceSight } from '../../../../../src/sources/kubernetes/placement/instance-sight.ts';
import { demandWith, instanceWith } from '../../../../support/placement-worlds.ts';

const GIB = 1024 ** 3;
const SILENT = ['state', 'vcpus', 'memoryBytes', 'volumes'] as const;

function fork(name: string, of: string, more: Partial<InstanceSight> = {}): InstanceSight {
  const demand = demandWith({ forkOf: of, silent: SILENT });
  return instanceWith({ key: keyOf('default', name), demand, ...more });
}

const big = instanceWith({
  key: keyOf('default', 'big'),
  demand: demandWith({ vcpus: 8, memoryBytes: 32 * GIB, state: 'Standby', volumes: ['data'] }),
});
const among =
  (...sights: readonly InstanceSight[]) =>
  (name: string): InstanceSight | undefined =>
    sights.find(({ key }) => key === `default/${name}`);

describe('what a fork asks of a node', () => {
  test('is what its source asks, through generations, where it is silent', () => {
    const child = fork('child', 'big');
    const expected = { vcpus: 8, memoryBytes: 32 * GIB, state: 'Standby', volumes: ['data'] };
    expect(withInherited(child, among(big)).demand).toMatchObject(expected);
    expect(withInherited(fork('grandchild', 'child'), among(big, child)).demand).toMatchObject(expected);
  });

  test('is what it says, where it says something', () => {
    const demand = demandWith({ forkOf: 'big', silent: ['memoryBytes'], vcpus: 1, state: 'Running' });
    expect(withInherited(fork('child', 'big', { demand }), among(big)).demand).toMatchObject({
      vcpus: 1,
      memoryBytes: 32 * GIB,
      state: 'Running',
    });
  });

  test('is what it is seen to have once it has it, whatever became of its source', () => {
    const status = { vcpus: 4, size: '2GB', hotplugSize: '1GB', volumes: [{ volume: 'own' }] };
    const seen = { vcpus: 4, memoryBytes: 3 * GIB, volumes: ['own'] };
    expect(withInherited(fork('child', 'gone', { status }), among()).demand).toMatchObject(seen);
    expect(withInherited(fork('child', 'big', { status }), among(big)).demand).toMatchObject(seen);
  });

  test.each(['Running', 'Standby'])(
    'has room for the memory of a source in %s that it goes on with',
    (state) => {
      // Edited since, and not started again.
      const source = { ...big, status: { state, vcpus: 4, size: '16GB', hotplugSize: '1GB' } };
      const small = demandWith({ forkOf: 'big', vcpus: 1, memoryBytes: GIB });
      const room = { vcpus: 4, memoryBytes: 17 * GIB };
      expect(withInherited(fork('child', 'big', { demand: small }), among(source)).demand).toMatchObject(
        room,
      );
      const large = { ...source, demand: demandWith({ vcpus: 2, memoryBytes: GIB }) };
      expect(withInherited(fork('child', 'big'), among(large)).demand).toMatchObject(room);
      const status = { state: 'Stopped', vcpus: 1, size: '1GB' };
      expect(
        withInherited(fork('child', 'big', { demand: small, status }), among(source)).demand,
      ).toMatchObject({ vcpus: 1, memoryBytes: GIB });
    },
  );

  test('of one that boots from the disks of its source is its own', () => {
    const source = { ...big, status: { state: 'Stopped', vcpus: 4, size: '16GB' } };
    const demand = demandWith({ forkOf: 'big', vcpus: 1 });
    expect(withInherited(fork('child', 'big', { demand }), among(source)).demand).toMatchObject({
      vcpus: 1,
      memoryBytes: GIB,
    });
  });

  test('of a circle is its own', () => {
    const one = fork('one', 'two');
    const two = fork('two', 'one');
    expect(withInherited(one, among(one, two)).demand).toMatchObject({ vcpus: 2, memoryBytes: GIB });
  });
});
