import fc from 'fast-check';
import type { InstanceSpec } from '../../src/api/instance.ts';
import type { GuestState } from '../../src/machine/guest.ts';
import type { ImageState } from '../../src/machine/image.ts';
import type { MachineState } from '../../src/machine/machine.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import { fieldsOf } from '../../src/plan/fields.ts';
import type { Wanted, World } from '../../src/plan/world.ts';
import { anyForkFrom, anyForks, forkedAs } from './any-forks.ts';
import { anyCredentials, anyEgress, anyGuard, anyNote, anyTrust } from './any-egress.ts';
import { anyHost } from './any-host.ts';
import { anyMemoryNote, anyMemorySize, grown } from './any-memory-size.ts';
import { anyMemory, standbyIn } from './any-standby.ts';
import { anyMounts, anyVolumes, asClaimed } from './any-volumes.ts';
import {
  anInstance,
  aRecord,
  aSpec,
  DIGESTS,
  freshWorld,
  IDENTITY,
  imageOf,
  NOW,
  pinned,
  PROCESS,
  RUNNING,
} from './worlds.ts';

const IMAGES = ['docker.io/library/nginx:1.27', 'docker.io/library/redis:7'] as const;
const time = fc.integer({ min: NOW - 4_000_000, max: NOW + 2_000 });
const size = fc.constantFrom(5 * 2 ** 30, 10 * 2 ** 30, 20 * 2 ** 30);
const rate = fc.option(fc.constantFrom(1_000_000, 2_000_000), { nil: undefined });

function without<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

const spec = fc
  .record({
    image: fc.constantFrom(...IMAGES),
    vcpus: fc.constantFrom(1, 2),
    ...anyMemorySize,
    ...{ overlayBytes: size, diskBps: fc.constantFrom(undefined, 2 ** 20) },
    restartPolicy: fc.constantFrom('Always', 'OnFailure', 'Never'),
    updatePolicy: fc.constantFrom('OnRestart', 'Restart', 'Recreate'),
    state: fc.constantFrom('Running', 'Running', 'Running', 'Standby', 'Standby', 'Stopped'),
    skipGuestAgent: fc.boolean(),
    hypervisor: fc.constantFrom(undefined, undefined, 'qemu'),
    entrypoint: fc.constantFrom(undefined, undefined, ['/other']),
    cmd: fc.constantFrom(undefined, ['now']),
    network: fc.record({ enabled: fc.boolean(), downloadBps: rate, uploadBps: rate }),
    volumes: anyMounts,
    isMediated: fc.boolean(),
    mode: fc.constantFrom('all', 'http_https_only'),
    credentials: anyCredentials,
    forkFrom: anyForkFrom,
  })
  .map(({ network, isMediated, mode, credentials, ...rest }) => {
    const enabled = isMediated && network.enabled;
    return aSpec(
      without({
        ...rest,
        network: without({ ...network, egress: { enabled, mode } }),
        credentials: enabled ? credentials : {},
      }) as Partial<InstanceSpec>,
    );
  });

const restartedAt = fc.constantFrom(undefined, '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z');

const environment: fc.Arbitrary<Wanted['environment']> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant('ready' as const),
      digests: fc.constantFrom(DIGESTS, { TOKEN: 'other' }, {}),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant({
      is: 'missing',
      reason: 'SecretNotFound',
      message: 'no Secret named x',
    } as const),
  },
);

const refusal = fc.constantFrom(
  { reason: 'Invalid', message: 'spec.vcpus must be a number' } as const,
  { reason: 'SourceLost', message: 'the directory is gone' } as const,
);

export const anyWanted: fc.Arbitrary<Wanted> = fc
  .record({
    spec,
    restartedAt,
    environment,
    generation: fc.integer({ min: 1, max: 3 }),
    refused: fc.option(refusal, { nil: undefined, freq: 6 }),
    uid: fc.constantFrom('uid-1', 'uid-1', 'uid-1', 'uid-2'),
  })
  .map(
    ({ spec: words, restartedAt: at, ...rest }) =>
      without({
        ...{ is: 'wanted' as const, credentials: { is: 'none' } },
        ...rest,
        instance: { ...anInstance({}, at), spec: words },
      }) as Wanted,
  );

const desired: fc.Arbitrary<World['desired']> = fc.oneof(
  { weight: 8, arbitrary: anyWanted },
  { weight: 2, arbitrary: fc.constant({ is: 'gone' as const }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(refusal, fc.constantFrom({}, { isToStop: true as const }))
      .map(([refused, stop]) => ({ is: 'held', uid: 'uid-1', generation: 2, refused, ...stop }) as const),
  },
);

const run = fc
  .record({
    startedAt: time,
    readyAt: fc.option(time, { nil: undefined }),
    memoryBytes: anyMemoryNote,
    standby: fc.option(
      fc.record({ is: fc.constantFrom('suspended' as const, 'resumed' as const), at: time }),
      { nil: undefined, freq: 2 },
    ),
    applied: spec,
    generation: fc.constantFrom(1, 2),
  })
  .map(({ applied, generation, ...rest }) =>
    without({
      ...rest,
      hypervisor: 'qemu' as const,
      applied: { generation, fields: fieldsOf(applied, DIGESTS, 'qemu') },
    }),
  );

const exit = fc
  .record({ code: fc.constantFrom(undefined, 0, 1, 137), at: time })
  .map(({ code, at }) => without({ code, message: `exit code ${code ?? 'unknown'}`, at }));

const record: fc.Arbitrary<InstanceRecord> = fc
  .record({
    image: fc.constantFrom(undefined, pinned(IMAGES[0]), pinned(IMAGES[1])),
    run: fc.option(run, { nil: undefined, freq: 4 }),
    exit: fc.option(exit, { nil: undefined, freq: 2 }),
    stopping: fc.option(
      fc.record({
        since: time,
        because: fc.constantFrom('Stopped', 'Deleted', 'Restart', 'Recreate', 'NeverReady'),
      }),
      { nil: undefined, freq: 2 },
    ),
    stoppedAt: fc.option(time, { nil: undefined, freq: 2 }),
    restarts: fc.integer({ min: 0, max: 4 }),
    failures: fc.integer({ min: 0, max: 12 }),
    restartedAt,
    credentials: anyNote,
  })
  .map((parts) => aRecord(without(parts) as Partial<InstanceRecord>));

const process = fc.constant(PROCESS);
const machine: fc.Arbitrary<MachineState> = fc.oneof(
  fc
    .record({
      state: fc.constant('absent' as const),
      ended: fc.constantFrom(undefined, 'guest-shutdown', 'guest-reset', 'guest-panicked', 'vmm-error'),
    })
    .map((each) => without(each) as MachineState),
  fc.record({
    state: fc.constantFrom('running', 'created', 'paused', 'shutdown'),
    process,
    diskBytesPerSecond: fc.constantFrom(0, 2 ** 20),
  }) as fc.Arbitrary<MachineState>,
  { weight: 2, arbitrary: fc.constant(RUNNING) },
  grown,
  fc.constant({ state: 'unknown', process: PROCESS, error: 'no answer within 2 s' } as const),
);

const guest: fc.Arbitrary<GuestState> = fc.oneof(
  fc.constantFrom<GuestState>({ state: 'silent' }, { state: 'booting' }),
  fc
    .record({
      state: fc.constant('started' as const),
      startedAt: time,
      agentReady: fc.boolean(),
      trust: anyTrust,
    })
    .map((each) => without(each) as GuestState),
  fc
    .constantFrom(0, 1)
    .map((code) => ({ state: 'exited' as const, exit: { code, message: `exit code ${code}` } })),
);

const anyImage: fc.Arbitrary<ImageState> = fc.oneof(
  fc.constantFrom<ImageState>({ state: 'absent' }, { state: 'pulling', progress: '1 of 3 layers' }),
  fc.record({
    state: fc.constant('failed' as const),
    fate: fc.constantFrom('invalid', 'transient'),
    reason: fc.constant('RegistryUnreachable'),
    message: fc.constant('no route to the registry'),
    retryAt: time,
  }),
  { weight: 3, arbitrary: fc.constant(imageOf('x')) },
);

/** Any world at all, also those that no history leads to: a record brought back from a copy, a lying guest. */
export const anyWorld: fc.Arbitrary<World> = fc
  .record({
    desired,
    host: anyHost,
    record: fc.oneof(
      { weight: 5, arbitrary: record },
      { weight: 1, arbitrary: fc.constant('absent' as const) },
    ),
    image: anyImage,
    nextImage: fc.option(anyImage, { nil: undefined }),
    overlay: fc.oneof(
      fc.constant({ state: 'absent' as const }),
      size.map((bytes) => ({ state: 'ready' as const, bytes })),
    ),
    tap: fc.boolean(),
    guard: anyGuard,
    egress: anyEgress,
    shaping: fc.record({ downloadBps: rate, uploadBps: rate }).map(without),
    boot: fc.constantFrom<World['boot']>({ state: 'absent' }, { state: 'ready', fields: { boot: 'old' } }),
    machine,
    volumes: anyVolumes,
    memory: anyMemory,
    guest,
    forks: anyForks,
  })
  .map(({ memory, volumes, ...rest }) => ({
    ...{ ...rest, volumes: asClaimed(rest, volumes) },
    standby: standbyIn(rest, memory),
  }))
  .map(({ tap, guard, shaping, nextImage, forks, ...rest }): World =>
    forkedAs(
      {
        ...freshWorld(),
        ...rest,
        ...(nextImage === undefined ? {} : { nextImage }),
        network: {
          tap: tap ? { state: 'up', name: IDENTITY.tap } : { state: 'absent' },
          guard,
          shaping: shaping as World['network']['shaping'],
        },
      },
      forks,
    ),
  )
  // What the proxy was given has always been noted first.
  .map((world): World => {
    const isHeld = world.record !== 'absent' && world.egress.policy.state === 'in-force';
    return isHeld ? { ...world, record: { credentials: {}, ...world.record } } : world;
  })
  // Without a record there is no name under which anything could be looked for.
  .map((world): World => {
    const { desired: words, host: facts, image, volumes = {}, record: known } = world;
    return known === 'absent' ? { ...freshWorld(), desired: words, host: facts, image, volumes } : world;
  });
