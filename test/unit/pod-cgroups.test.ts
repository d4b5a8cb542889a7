import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { instanceId } from '../../src/machine/ids.ts';
import type { ProcessIdentity } from '../../src/machine/machine.ts';
import { openPodCgroups } from '../../src/pod-cgroups.ts';
import type { PodCgroups } from '../../src/pod-cgroups.ts';
import type { PodPlace } from '../../src/sources/kubernetes/tenure/placeholder-watch.ts';
import { KEY, PROCESS } from '../support/worlds.ts';

const ID = instanceId('abcdefghijklmnopqrstuvwx');

/** One instance, its machine and its Pod; `places` is where which process was moved, in order. */
let machine: ProcessIdentity | undefined;
let pod: PodPlace | undefined;
let hasCgroup: boolean;
let places: string[];
let cgroups: PodCgroups;

beforeEach(() => {
  machine = PROCESS;
  pod = { is: 'bound', uid: 'pod-1' };
  hasCgroup = true;
  places = [];
  cgroups = openPodCgroups({
    podOf: () => pod,
    machineOf: () => Promise.resolve(machine === undefined ? undefined : { id: ID, process: machine }),
    bootId: PROCESS.bootId,
    log: pino({ level: 'silent' }),
    soonMs: 5,
    hands: {
      join: ({ pid }, uid) => {
        if (hasCgroup) places.push(`${pid} in ${uid}`);
        return Promise.resolve(hasCgroup ? 'joined' : 'absent');
      },
      leave: ({ pid }, name) => {
        places.push(`${pid} in ${name}`);
        return Promise.resolve();
      },
      endHolder: (uid) => {
        places.push(`${uid} may end`);
        return Promise.resolve();
      },
    },
  });
});
afterEach(() => {
  cgroups.close();
});

async function tended(wanted: readonly string[]): Promise<void> {
  cgroups.tend(KEY);
  await vi.waitFor(() => {
    expect(places).toEqual(wanted);
  });
}

test('a machine is moved once, and its successor too', async () => {
  await tended(['4711 in pod-1']);
  await tended(['4711 in pod-1']);
  machine = { ...PROCESS, pid: 4712 };
  await tended(['4711 in pod-1', '4712 in pod-1']);
});

test('a cgroup that the kubelet has not made yet is waited for', async () => {
  hasCgroup = false;
  cgroups.tend(KEY);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(places).toEqual([]);
  hasCgroup = true;
  await vi.waitFor(() => {
    expect(places).toEqual(['4711 in pod-1']);
  });
});

test('a Pod that ends loses its machine first, and is told to end when that is gone', async () => {
  await tended(['4711 in pod-1']);
  pod = { is: 'over', uid: 'pod-1' };
  await tended(['4711 in pod-1', `4711 in ${ID}`]);
  machine = undefined;
  cgroups.tend(KEY);
  await vi.waitFor(() => {
    expect(places.slice(0, 3)).toEqual(['4711 in pod-1', `4711 in ${ID}`, 'pod-1 may end']);
  });
});

test('a holder that its kubelet started once more is told again, until the Pod is gone', async () => {
  machine = undefined;
  pod = { is: 'over', uid: 'pod-1' };
  cgroups.tend(KEY);
  await vi.waitFor(() => {
    expect(places.length).toBeGreaterThan(2);
  });
  pod = undefined;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const told = places.length;
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(places).toHaveLength(told);
});

test('a machine that no Pod holds room for is in none', async () => {
  pod = undefined;
  await tended([`4711 in ${ID}`]);
});

test('a machine stays where it is while nobody can say whether a Pod is its own', async () => {
  await tended(['4711 in pod-1']);
  pod = { is: 'unknown' };
  machine = { ...PROCESS, pid: 4712 };
  cgroups.tend(KEY);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(places).toEqual(['4711 in pod-1']);
});
