import type { Instance, InstanceSpec } from '../../src/api/instance.ts';
import type { Authority, ListenerPorts } from '../../src/machine/egress.ts';
import type { GuestState } from '../../src/machine/guest.ts';
import { instanceId, keyOf, tapNameFor } from '../../src/machine/ids.ts';
import type { ImageState } from '../../src/machine/image.ts';
import type { MachineState } from '../../src/machine/machine.ts';
import { ownerFor } from '../../src/machine/owner.ts';
import type { Identity, InstanceRecord } from '../../src/machine/record.ts';
import { fieldsOf } from '../../src/plan/fields.ts';
import type { HostFacts, Wanted, World } from '../../src/plan/world.ts';
import { Secret } from '../../src/secrets/secret.ts';

/** Worlds with good defaults. */

export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
export const KEY = keyOf('default', 'web');
/** Stands for every value that must never be seen anywhere. */
export const HIDDEN = 'hunter2-hidden';

const ID = instanceId('tz4a98xxat96iws9zmbrgj3a');
export const IDENTITY: Identity = {
  id: ID,
  ip: '10.100.0.2',
  gateway: '10.100.0.1',
  mac: '02:00:0a:64:00:02',
  tap: tapNameFor(ID, 'test'),
  owner: ownerFor(2),
  salt: '00'.repeat(32),
};

export const HOST: HostFacts = {
  roots: { state: '/var/lib/hypeman', run: '/run/hypeman' },
  bootId: 'boot-1',
  nodeName: 'node-1',
  watchingSince: NOW - 60_000,
  defaultHypervisor: 'qemu',
  drivers: {
    qemu: {
      ...{ version: '7.2', accelerator: 'tcg' },
      abilities: { standby: true, fork: true, diskThrottle: true, memoryHotplug: true },
    },
  },
  kernel: {
    state: 'ready',
    version: '6.1.0-1',
    path: '/var/lib/hypeman/kernel/vmlinux',
    initrd: '/var/lib/hypeman/kernel/base.cpio',
    cmdline: 'console=ttyS0',
  },
  missingTools: [],
};

export function aSpec(changes: Partial<InstanceSpec> = {}): InstanceSpec {
  return {
    imagePullSecrets: [],
    image: 'docker.io/library/nginx:1.27',
    env: { TOKEN: new Secret(HIDDEN) },
    envFrom: [],
    credentials: {},
    vcpus: 2,
    memoryBytes: 2 ** 30,
    hotplugBytes: 0,
    overlayBytes: 10 * 2 ** 30,
    network: { enabled: true, egress: { enabled: false, mode: 'all' } },
    volumes: [],
    devices: [],
    skipGuestAgent: false,
    skipKernelHeaders: false,
    tags: {},
    state: 'Running',
    restartPolicy: 'OnFailure',
    updatePolicy: 'OnRestart',
    evictionPolicy: 'Stop',
    ...changes,
  };
}

export function anInstance(spec: Partial<InstanceSpec> = {}, restartedAt?: string): Instance {
  const annotations = restartedAt === undefined ? {} : { 'hypeman.dev/restartedAt': restartedAt };
  return { namespace: 'default', name: 'web', labels: {}, annotations, spec: aSpec(spec) };
}

export const DIGESTS = { TOKEN: 'digest-of-token' };

export function wanted(spec: Partial<InstanceSpec> = {}, changes: Partial<Wanted> = {}): Wanted {
  return {
    is: 'wanted',
    uid: 'uid-1',
    generation: 1,
    instance: anInstance(spec),
    environment: { is: 'ready', digests: DIGESTS },
    credentials: { is: 'none' },
    ...changes,
  };
}

export function imageOf(reference: string): Extract<ImageState, { state: 'ready' }> {
  return {
    state: 'ready',
    digest: `sha256:${reference}`,
    rootDisk: `/var/lib/hypeman/images/${reference}/root.erofs`,
    config: {
      entrypoint: ['/entry'],
      cmd: ['serve'],
      env: { PATH: '/bin' },
      workdir: '/',
      user: '',
      stopSignal: 'SIGTERM',
    },
  };
}

export function aRecord(changes: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    version: 1,
    key: KEY,
    uid: 'uid-1',
    identity: IDENTITY,
    createdAt: NOW - 7_200_000,
    restarts: 0,
    failures: 0,
    ...changes,
  };
}

export function pinned(reference = 'docker.io/library/nginx:1.27'): NonNullable<InstanceRecord['image']> {
  return { reference, digest: `sha256:${reference}` };
}

export function aRun(
  spec: Partial<InstanceSpec> = {},
  startedAt = NOW - 3_600_000,
): NonNullable<InstanceRecord['run']> {
  const fields = fieldsOf(aSpec(spec), DIGESTS, 'qemu');
  return { startedAt, hypervisor: 'qemu', applied: { generation: 1, fields }, readyAt: startedAt + 2_000 };
}

export const PROCESS = { pid: 4711, startTime: 1, bootId: 'boot-1' };
export const RUNNING: MachineState = { state: 'running', process: PROCESS };
export const STARTED = { state: 'started', startedAt: NOW, agentReady: true } as const satisfies GuestState;

export const PORTS: ListenerPorts = { explicit: 40_001, tls: 40_002, http: 40_003, dns: 40_004 };
export const AUTHORITY: Authority = { certificate: 'the CA', fingerprint: 'f00d' };
/** What the proxy is told by the plans of these worlds. */
export const REVISION = 'revision-1';

/** Mediated, with one credential that is to reach one host. */
export const MEDIATED = {
  network: { enabled: true, egress: { enabled: true, mode: 'all' } },
  credentials: {
    API_KEY: {
      sourceEnv: 'REAL_KEY',
      inject: [
        { hosts: ['api.example.com'], header: 'Authorization', format: 'Bearer ${value}', when: 'always' },
      ],
    },
  },
} as const satisfies Partial<InstanceSpec>;

export function mediated(spec: Partial<InstanceSpec> = {}, changes: Partial<Wanted> = {}): Wanted {
  const credentials = { is: 'ready', revision: REVISION, digests: { API_KEY: 'digest-of-key' } } as const;
  return wanted({ ...MEDIATED, ...spec }, { credentials, ...changes });
}

/** One value of the policy is missing. */
export const MISSING_VALUE = {
  is: 'missing',
  reason: 'SecretNotFound',
  message: 'no Secret named db',
  revision: 'revision-lacking',
  digests: {},
} as const satisfies Wanted['credentials'];

export function heldPolicy(revision = REVISION, ports = PORTS): World['egress'] {
  return { policy: { state: 'in-force', revision, ports, authority: AUTHORITY } };
}

/** A world in which nothing has happened yet: the file has just been written. */
export function freshWorld(changes: Partial<World> = {}): World {
  return {
    key: KEY,
    now: NOW,
    desired: wanted(),
    host: HOST,
    record: 'absent',
    proposal: IDENTITY,
    image: { state: 'absent' },
    overlay: { state: 'absent' },
    network: { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} },
    boot: { state: 'absent' },
    egress: { policy: { state: 'absent' } },
    machine: { state: 'absent' },
    standby: { state: 'absent' },
    guest: { state: 'silent' },
    ...changes,
  };
}

/** A world in which everything is as declared and the program runs. */
export function runningWorld(changes: Partial<World> = {}): World {
  return freshWorld({
    record: aRecord({ image: pinned(), run: aRun() }),
    image: imageOf('docker.io/library/nginx:1.27'),
    overlay: { state: 'ready', bytes: 10 * 2 ** 30 },
    network: { tap: { state: 'up', name: IDENTITY.tap }, guard: { state: 'guarded' }, shaping: {} },
    machine: RUNNING,
    guest: STARTED,
    ...changes,
  });
}

/** A world in which everything is as declared, what leaves is mediated, and the program runs. */
export function mediatedWorld(changes: Partial<World> = {}): World {
  const credentials = { API_KEY: { digest: 'digest-of-key', generation: 1, rotatedAt: NOW - 3_600_000 } };
  return runningWorld({
    desired: mediated(),
    record: aRecord({ image: pinned(), run: aRun(MEDIATED), credentials, policyRevision: 'revision-1' }),
    network: {
      tap: { state: 'up', name: IDENTITY.tap },
      guard: { state: 'guarded', mediation: { mode: 'all', ports: PORTS } },
      shaping: {},
    },
    egress: heldPolicy(),
    guest: { ...STARTED, trust: { state: 'installed', fingerprint: AUTHORITY.fingerprint } },
    ...changes,
  });
}
