import { describe, expect, test } from 'vitest';
import { fieldsOf, pendingFields } from '../../../src/plan/fields.ts';
import { changesAtRestart, pendingOf } from '../../../src/plan/wishes.ts';
import type { RecordedWorld } from '../../../src/plan/world.ts';
import { aRecord, aSpec, DIGESTS, pinned, runningWorld, wanted } from '../../support/worlds.ts';

function pendingAfter(
  edit: Parameters<typeof wanted>[0],
  changes: Parameters<typeof wanted>[1] = {},
): readonly string[] {
  return pendingOf(runningWorld({ desired: wanted(edit, changes) }) as RecordedWorld);
}

describe('pending fields', () => {
  test('are all the fields that a restart would bring, sorted, by their path', () => {
    const environment = { is: 'ready', digests: { PORT: 'd1', TOKEN: 'rotated' } } as const;
    const volumes = [{ volume: 'data', mountPath: '/data', readonly: false, overlay: false }];
    expect(
      pendingAfter(
        { vcpus: 4, memoryBytes: 1, cmd: ['x'], skipGuestAgent: true, volumes, diskBps: 5 },
        { environment },
      ),
    ).toEqual(['cmd', 'diskIoBps', 'env.PORT', 'env.TOKEN', 'size', 'skipGuestAgent', 'vcpus', 'volumes']);
  });

  test('name a variable that was taken away', () => {
    expect(pendingAfter({}, { environment: { is: 'ready', digests: {} } })).toEqual(['env.TOKEN']);
  });

  test('clear when an edit is reverted', () => {
    expect(pendingAfter({})).toEqual([]);
  });

  test('do not know live fields', () => {
    const network = {
      enabled: true,
      downloadBps: 1,
      uploadBps: 2,
      egress: { enabled: false, mode: 'all' },
    } as const;
    expect(
      pendingAfter({
        network,
        tags: { a: 'b' },
        restartPolicy: 'Never',
        updatePolicy: 'Recreate',
        state: 'Stopped',
      }),
    ).toEqual([]);
  });

  test('count an environment that cannot be had as unchanged', () => {
    const environment = { is: 'missing', reason: 'SecretNotFound', message: 'no' } as const;
    expect(pendingAfter({ vcpus: 4 }, { environment })).toEqual(['vcpus']);
  });

  test('of a stopped instance are only those that not even a start brings', () => {
    const stopped = runningWorld({
      machine: { state: 'absent' },
      desired: wanted({ vcpus: 4, image: 'other:1', overlayBytes: 1 }),
    });
    expect(pendingOf(stopped as RecordedWorld)).toEqual(['image', 'overlaySize']);
  });

  test('of an instance that never ran are none', () => {
    const fresh = runningWorld({
      record: aRecord({ image: pinned() }),
      machine: { state: 'absent' },
      desired: wanted({ vcpus: 4 }),
    });
    expect(changesAtRestart(fresh as RecordedWorld)).toEqual([]);
  });
});

test('an explicit hypervisor that is the default one is no edit', () => {
  expect(pendingAfter({ hypervisor: 'qemu' })).toEqual([]);
});

test('no value of a variable occurs in the fields', () => {
  expect(JSON.stringify(fieldsOf(aSpec(), DIGESTS, 'qemu'))).toContain('digest-of-token');
  expect(pendingFields({}, { 'network.bandwidthUpload': '1' })).toEqual([]);
});
