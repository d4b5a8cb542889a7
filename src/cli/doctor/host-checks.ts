import { toolsMissing } from '../../host/tools.ts';
import type { Tool } from '../../host/tools.ts';
import { sizeText } from '../action-text.ts';
import { PROGRAM } from '../command.ts';
import { fail, ok, warn } from './check.ts';
import type { Check, Finding } from './check.ts';

const GIB = 1024 ** 3;
/** Nothing of ours was made before this; a clock that says so makes every certificate look invalid. */
const BUILT_AT = Date.parse('2026-11-01T00:00:00Z');

export const rootCheck: Check = {
  name: 'root',
  look: ({ uid }) =>
    Promise.resolve(
      uid === 0
        ? ok('running as root')
        : fail('not running as root: network devices and machines cannot be made', `sudo ${PROGRAM} doctor`),
    ),
};

/** One finding for all programs: they are installed together. */
export function toolsCheck(missing: () => Promise<readonly Tool[]> = toolsMissing): Check {
  return {
    name: 'programs',
    look: async () => {
      const tools = await missing();
      if (tools.length === 0) return ok('every program that the controller runs is installed');
      const packages = [...new Set(tools.map((tool) => tool.package))].join(' ');
      const what = tools.map(({ tool, purpose }) => `${tool} (${purpose})`).join(', ');
      return fail(`missing: ${what}`, `${PROGRAM} setup, or: apt-get install ${packages}`);
    },
  };
}

export const cgroupCheck: Check = {
  name: 'cgroup',
  look: async ({ exists }) => {
    if (await exists('/sys/fs/cgroup/cgroup.controllers')) return ok('cgroup version 2');
    if (await exists('/sys/fs/cgroup/memory')) return ok('cgroup version 1: enough for what is done here');
    return warn('no cgroup hierarchy at /sys/fs/cgroup', 'mount -t cgroup2 none /sys/fs/cgroup');
  },
};

export const clockCheck: Check = {
  name: 'clock',
  look: ({ now }) =>
    Promise.resolve(
      now() >= BUILT_AT
        ? ok(`the clock says ${new Date(now()).toISOString().slice(0, 16)}Z`)
        : fail(
            `the clock says ${new Date(now()).toISOString()}: registries cannot be trusted with it`,
            'set it, or apt-get install systemd-timesyncd',
          ),
    ),
};

export const memoryCheck: Check = {
  name: 'memory',
  look: async ({ read }) => {
    const text = (await read('/proc/meminfo')) ?? '';
    const kib = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
    const free = `${sizeText(kib * 1024)} of memory are available`;
    return kib * 1024 < GIB
      ? warn(`${free}: too little for one default instance`, 'end something, or add memory')
      : ok(free);
  },
};

/** Images are unpacked beside their download before either is dropped. */
export function diskCheck(stateDir: string): Check {
  return {
    name: 'disk',
    look: async ({ freeBytes }) => {
      const bytes = await freeBytes(stateDir);
      const free = `${sizeText(bytes)} are free under ${stateDir}`;
      const fix = `make room there, or keep the state elsewhere with --state-dir`;
      if (bytes < GIB) return fail(`${free}: no image can be unpacked`, fix);
      return bytes < 10 * GIB ? warn(`${free}: a few images will fill it`, fix) : ok(free);
    },
  };
}

/** Which way disks of forks come by what is on their source's. */
export function cloneCheck(stateDir: string): Check {
  return {
    name: 'copies of disks',
    look: async ({ cloneMethod }) => {
      if ((await cloneMethod(stateDir)) === 'reflink')
        return ok('reflink: a fork shares the blocks of its source until one of them writes to them');
      const way = 'sparse copy: a fork copies what was written to the disks of its source, but no holes';
      return ok(`${way}; on XFS or btrfs under ${stateDir} it would share them`);
    },
  };
}

export const tunCheck: Check = {
  name: 'tun device',
  look: async ({ exists }) => ((await exists('/dev/net/tun')) ? ok('/dev/net/tun is there') : noTun()),
};

function noTun(): Finding {
  return fail(
    'there is no /dev/net/tun: guests cannot have a network',
    'modprobe tun; in a container, pass the device in with --device /dev/net/tun',
  );
}
