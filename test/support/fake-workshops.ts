import type { Egress, InForce } from '../../src/egress/egress.ts';
import type { ImageStore } from '../../src/images/image-store.ts';
import type { Shaping } from '../../src/machine/network.ts';
import type { Roots } from '../../src/machine/paths.ts';
import type { Network } from '../../src/network/network.ts';
import type { HostFacts } from '../../src/plan/world.ts';

/** A registry that has everything, at once. */
export function fakeImages(): ImageStore {
  return {
    look: () =>
      Promise.resolve({
        state: 'ready',
        digest: `sha256:${'0'.repeat(64)}`,
        rootDisk: '/dev/null',
        config: { entrypoint: ['/bin/true'], cmd: [], env: {}, workdir: '/', user: '', stopSignal: '' },
      }),
    pull: () => undefined,
    collect: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
}

/** A network made of sets. */
export function fakeNetwork(): Network {
  const taps = new Map<string, { guarded: boolean; shaping: Shaping }>();
  const change = (tap: string, change: Partial<{ guarded: boolean; shaping: Shaping }>): Promise<void> => {
    taps.set(tap, { guarded: false, shaping: {}, ...taps.get(tap), ...change });
    return Promise.resolve();
  };
  return {
    look: ({ tap }) => {
      const known = taps.get(tap);
      return Promise.resolve({
        tap: known === undefined ? { state: 'absent' } : { state: 'up', name: tap },
        guard: { state: known?.guarded === true ? 'guarded' : 'open' },
        shaping: known?.shaping ?? {},
      });
    },
    createTap: ({ tap }) => change(tap, {}),
    guardTap: ({ tap }) => change(tap, { guarded: true }),
    shapeTap: ({ tap }, shaping) => change(tap, { shaping }),
    remove: ({ tap }) => {
      taps.delete(tap);
      return Promise.resolve();
    },
    collect: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
}

/** A proxy that takes every policy at once and carries nothing. */
export function fakeEgress(certificate = ''): Omit<Egress, 'close' | 'end'> {
  const policies = new Map<string, InForce>();
  return {
    put: ({ instance, key, generation }, revision) => {
      const ports = { explicit: 40_001, tls: 40_002, http: 40_003, dns: 40_004 };
      const inForce = { instance, key, generation, revision, ports, certificate };
      policies.set(instance, inForce);
      return Promise.resolve(inForce);
    },
    remove: (instance) => {
      policies.delete(instance);
      return Promise.resolve();
    },
    inForce: (instance) => policies.get(instance),
    known: () => Promise.resolve([...policies.keys()]),
    problem: () => undefined,
    counters: () => Promise.resolve([]),
    decisions: async function* () {
      // Nothing is carried, so nothing is decided.
    },
  };
}

/** A host in perfect order. */
export function fakeHostFacts(roots: Roots): HostFacts {
  return {
    roots,
    bootId: 'fake-boot',
    nodeName: 'bench',
    watchingSince: 0,
    defaultHypervisor: 'qemu',
    drivers: { qemu: { version: '7.2.0', accelerator: 'tcg' } },
    kernel: { state: 'ready', version: 'fake', path: '/dev/null', initrd: '/dev/null', cmdline: '' },
    missingTools: [],
  };
}
