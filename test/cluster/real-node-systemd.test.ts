import { beforeAll, describe, expect, test } from 'vitest';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { doErrand, systemdGuestMissing } from '../support/systemd-guest/guest.ts';

const missing = controlPlaneMissing() ?? systemdGuestMissing();
if (missing !== undefined)
  process.stderr.write(`test/cluster/real-node-systemd.test.ts is skipped: ${missing}\n`);
/** Two to five minutes; it says itself what it waited for in vain. */
const ERRAND_MS = 600_000;
/** The packages of its disk are fetched once. */
const DISK_MS = 600_000;

const PLACE = '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda1_place.slice/vmm';

/** This machine has cgroups of version 1: what is true of version 2, a guest tells. */
describe.skipIf(missing !== undefined)(
  `a node with systemd and cgroups of version 2 ${missing ?? ''}`,
  { retry: 0 },
  () => {
    let said: readonly string[];

    beforeAll(async () => {
      said = await doErrand(ERRAND_MS);
      const isDone = said.includes('end') && !said.some((line) => line.startsWith('never '));
      if (!isDone) throw new Error(`it was not done:\n${said.join('\n')}`);
    }, DISK_MS + ERRAND_MS);

    const word = (name: string): string | undefined =>
      said.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);

    test('passes every test of cgroups', () => {
      expect(word('hierarchy')).toBe('cgroup2fs');
      expect(said.filter((line) => /FAIL|AssertionError/.test(line))).toEqual([]);
      const [passed, all] = (word('suite') ?? '').split(' of ');
      expect(passed).toBe(all);
      expect(Number(passed)).toBeGreaterThan(15);
    });

    test('has a machine outlive the container that started it', () => {
      expect(word('outlived')).toBe('/hypeman/abcdefghijklmnopqrstuvwx');
      expect(word('alone')).toBe('/hypeman/abcdefghijklmnopqrstuvwx');
    });

    test('counts it in the slice of its placeholder Pod, whatever systemd reads anew', () => {
      expect(word('joined')).toBe(PLACE);
      expect(word('counted')).toBe('1');
      expect(word('reloaded')).toBe(PLACE);
    });

    test('leaves the kubelet a Pod that it can end by rmdir alone, long before its grace, and not the machine', () => {
      expect(word('left')).toBe('/hypeman/abcdefghijklmnopqrstuvwx');
      expect(said).toContain('ended');
    });
  },
);
