import { expect, test } from 'vitest';
import { hierarchiesIn, isContained } from '../../../src/host/cgroups.ts';

const HOST_ROOT = '27 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw';
const CONTAINER_ROOT = '900 800 0:51 / / rw,relatime - overlay overlay rw,lowerdir=/l';
const TMP = '40 27 0:40 /tmp /tmp rw shared:5 - tmpfs tmpfs rw';

test('a root of our own beside the host’s PID 1 is a container', () => {
  expect(isContained(`${CONTAINER_ROOT}\n${TMP}\n`, `${HOST_ROOT}\n`)).toBe(true);
});

test.each([
  ['the host itself', HOST_ROOT],
  ['a service with a private /tmp', `${HOST_ROOT}\n${TMP}\n`],
  ['a root that lies over another', `1 1 0:1 / / rw - rootfs rootfs rw\n${HOST_ROOT}`],
])('%s is none', (_, own) => {
  expect(isContained(own, `${HOST_ROOT}\n`)).toBe(false);
});

test('a container that has a process table of its own is none to leave', () => {
  expect(isContained(CONTAINER_ROOT, CONTAINER_ROOT)).toBe(false);
});

test('the host’s hierarchies are those that are seen from their root', () => {
  const mounts = [
    '31 23 0:28 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct',
    '33 31 0:30 /kubepods/pod1/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory',
    '34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd',
    '35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate',
    '36 31 0:32 /../.. /host rw - cgroup2 cgroup2 rw',
  ];
  expect(hierarchiesIn(mounts.join('\n')).map(({ at }) => at)).toEqual([
    '/sys/fs/cgroup/cpu,cpuacct',
    '/sys/fs/cgroup/systemd',
    '/sys/fs/cgroup/unified',
  ]);
});
