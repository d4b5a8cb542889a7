import { describe, expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import { hostOf, settle, pass, elapse } from '../../support/simulated-host.ts';
import { aRecord, freshWorld, HOST, imageOf, NOW, pinned, wanted } from '../../support/worlds.ts';

function kindsOf(world: World): readonly string[] {
  return plan(world).actions.map(({ kind }) => kind);
}

/** Everything that is asked for on the way from a world to rest, in order. */
function wayFrom(world: World): readonly string[] {
  const kinds: string[] = [];
  let host = hostOf(world);
  for (let rounds = 0; rounds < 40; rounds++) {
    const after = pass(host);
    kinds.push(...after.plan.actions.map(({ kind }) => kind));
    host = elapse(after.host, after.plan.lookAgainMs ?? 1);
  }
  return kinds;
}

const image = imageOf('docker.io/library/nginx:1.27');
const recorded = freshWorld({ record: aRecord({ image: pinned() }), image });

describe('from a written file to a program that runs', () => {
  test('each thing is made before what stands on it', () => {
    expect(wayFrom(freshWorld())).toEqual([
      'write-record', // who it is
      'pull-image',
      'write-record', // the digest
      'create-overlay',
      'create-tap',
      'guard-tap',
      'write-boot',
      'write-record', // the start
      'start-machine',
      'write-record', // ready
    ]);
  });

  test('a tap is guarded in the breath in which it is made', () => {
    const prepared = settle(hostOf(recorded), 0).host.world;
    expect(kindsOf(prepared)).toEqual(['create-tap', 'guard-tap']);
  });

  test('a start is on record before it happens, with what it applies', () => {
    const world = settle(hostOf(recorded), 2).host.world;
    const [write, start] = plan({ ...world, machine: { state: 'absent' } }).actions;
    expect(write).toMatchObject({
      kind: 'write-record',
      record: {
        run: {
          hypervisor: 'qemu',
          applied: { generation: 1, fields: { vcpus: '2', 'env.TOKEN': 'digest-of-token' } },
        },
      },
    });
    expect(start).toMatchObject({ kind: 'start-machine', hypervisor: 'qemu' });
  });

  test('the machine has the image read-only, the overlay, the tap and the kernel of the host', () => {
    const start = settle(hostOf(recorded), 2).host.world;
    const [, action] = plan(start).actions;
    expect(action).toMatchObject({
      machine: {
        kernel: '/var/lib/hypeman/kernel/vmlinux',
        cmdline: 'console=ttyS0',
        initrd: ['/var/lib/hypeman/instances/tz4a98xxat96iws9zmbrgj3a/boot.cpio'],
        disks: [
          { serial: 'root', path: image.rootDisk, readonly: true },
          {
            serial: 'overlay',
            path: '/var/lib/hypeman/instances/tz4a98xxat96iws9zmbrgj3a/overlay.img',
            readonly: false,
          },
        ],
        nic: { mac: '02:00:0a:64:00:02' },
      },
    });
  });

  test('without a network there is no tap, no guard and no nic', () => {
    const desired = wanted({ network: { enabled: false, egress: { enabled: false, mode: 'all' } } });
    const way = wayFrom(freshWorld({ desired }));
    expect(way.filter((kind) => kind.endsWith('-tap'))).toEqual([]);
    expect(way).toContain('start-machine');
  });

  test('a tap from a time with a network is removed before a start without one', () => {
    const desired = wanted({ network: { enabled: false, egress: { enabled: false, mode: 'all' } } });
    const network: World['network'] = {
      tap: { state: 'up', name: 'hm-x' as never },
      guard: { state: 'guarded' },
      shaping: {},
    };
    const way = wayFrom({ ...recorded, desired, network });
    expect(way.indexOf('remove-network')).toBeGreaterThanOrEqual(0);
    expect(way.indexOf('remove-network')).toBeLessThan(way.indexOf('start-machine'));
  });

  test('an archive that is as it should be is not written again', () => {
    const stopped = settle(hostOf(recorded), 2).host.world;
    expect(kindsOf(stopped)).toEqual(['write-record', 'start-machine']);
    const otherEnvironment = wanted({}, { environment: { is: 'ready', digests: { TOKEN: 'rotated' } } });
    expect(kindsOf({ ...stopped, desired: otherEnvironment })).toEqual(['write-boot']);
  });

  test('a machine that a crash of ours left created goes on; with other words it is created anew', () => {
    const started = settle(hostOf(recorded), 3).host.world;
    const machine = { state: 'created', process: { pid: 1, startTime: 1, bootId: 'boot-1' } } as const;
    const created = { ...started, machine, guest: { state: 'silent' } as const };
    expect(kindsOf(created)).toEqual(['start-machine']);
    expect(kindsOf({ ...created, desired: wanted({ vcpus: 8 }) })).toEqual(['kill-machine']);
  });
});

describe('ready', () => {
  const booting = settle(hostOf(recorded), 3).host.world;
  const started = { state: 'started', startedAt: NOW, agentReady: false } as const;

  test('needs the agent, unless it was declined at the start', () => {
    expect(plan({ ...booting, guest: started })).toMatchObject({ verdict: 'waiting', reason: 'Booting' });
    const declined = settle(hostOf({ ...recorded, desired: wanted({ skipGuestAgent: true }) }), 3).host.world;
    expect(kindsOf({ ...declined, guest: started })).toEqual(['write-record']);
  });
});

describe('what a start waits for', () => {
  test.each<[string, Partial<World>, object]>([
    [
      'a missing tool, with its fix',
      { host: { ...HOST, missingTools: [{ tool: 'nft', fix: 'apt install nftables' }] } },
      { verdict: 'waiting', reason: 'ToolMissing', message: 'this host lacks nft (apt install nftables)' },
    ],
    [
      'a driver with a problem',
      { host: { ...HOST, drivers: { qemu: { problem: 'no qemu' } } } },
      { verdict: 'waiting', reason: 'HostNotReady' },
    ],
    [
      'a missing kernel',
      { host: { ...HOST, kernel: { state: 'missing', problem: 'run setup' } } },
      { verdict: 'waiting', reason: 'HostNotReady', message: 'run setup' },
    ],
    [
      'a Secret that is not there',
      {
        desired: wanted(
          {},
          { environment: { is: 'missing', reason: 'SecretNotFound', message: 'no Secret db' } },
        ),
      },
      { verdict: 'waiting', reason: 'SecretNotFound', message: 'no Secret db' },
    ],
    [
      'a hypervisor that nobody drives here',
      { desired: wanted({ hypervisor: 'vz' }) },
      { verdict: 'stuck', reason: 'HypervisorUnavailable' },
    ],
    [
      'a pull in hand',
      { image: { state: 'pulling', progress: '2 of 5 layers' } },
      { verdict: 'waiting', reason: 'ImagePull' },
    ],
    [
      'a registry that is away',
      {
        image: {
          state: 'failed',
          fate: 'transient',
          reason: 'RegistryUnreachable',
          message: 'no route',
          retryAt: NOW + 5_000,
        },
      },
      { verdict: 'waiting', reason: 'RegistryUnreachable', lookAgainMs: 5_000 },
    ],
    [
      'an image that nobody can pull',
      { image: { state: 'failed', fate: 'invalid', reason: 'NotAnImage', message: 'no' } as never },
      { verdict: 'stuck', reason: 'NotAnImage' },
    ],
    [
      'a program',
      { image: { ...image, config: { ...image.config, entrypoint: [], cmd: [] } } },
      { verdict: 'stuck', reason: 'NoCommand' },
    ],
  ])('%s', (_, changes, expected) => {
    expect(plan({ ...recorded, ...changes })).toMatchObject({ actions: [], ...expected });
  });

  test('a failed pull is tried again when its time has come, by the pinned digest', () => {
    const failed = {
      state: 'failed',
      fate: 'transient',
      reason: 'RegistryUnreachable',
      message: 'no route',
      retryAt: NOW,
    } as const;
    expect(plan({ ...recorded, image: failed }).actions).toEqual([{ kind: 'pull-image', ...pinned() }]);
  });

  test('a text that was refused does not keep the last good one from starting', () => {
    const desired = wanted({}, { refused: { reason: 'Invalid', message: 'spec.vcpus' } });
    expect(kindsOf({ ...recorded, desired })).toEqual(['create-overlay']);
  });
});

describe('the image before the first run', () => {
  test('a wrong name is mended by an edit alone', () => {
    const desired = wanted({ image: 'docker.io/library/redis:7' });
    const way = wayFrom({ ...recorded, desired, overlay: { state: 'ready', bytes: 10 * 2 ** 30 } });
    expect(way.slice(0, 3)).toEqual(['remove-overlay', 'write-record', 'pull-image']);
    expect(way).toContain('start-machine');
  });
});
