import type { ReportedInstance } from '../../src/api/reported.ts';
import { rm } from 'node:fs/promises';
import { cli, declare, eventually, getInstance } from './controller-process.ts';
import { openTestHouse } from './test-house.ts';
import type { TestHouse } from './test-house.ts';

/** Counts in a variable of its shell, in memory alone; what it says of that is never half written. */
export const COUNTER = {
  entrypoint: ['/bin/sh', '-c'],
  cmd: ['n=0; while true; do n=$((n+1)); echo $n >/tmp/new; mv /tmp/new /tmp/count; sleep 0.2; done'],
};

export type Life = { readonly boot: string; readonly counted: number };

/** A house in which forks are declared. */
export type ForkHouse = TestHouse & {
  /** In one file, named for the first of them. */
  declareForks(
    names: readonly string[],
    source: string,
    spec?: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  withdraw(file: string): Promise<void>;
  inGuest(name: string, script: string): Promise<string>;
  /** Which boot this is, and how far its program has counted: memory that is a copy has the same, and no other. */
  lifeOf(name: string): Promise<Life>;
  until(
    name: string,
    what: string,
    satisfies: (seen: ReportedInstance) => boolean,
    ms?: number,
  ): Promise<ReportedInstance>;
};

export async function openForkHouse(subnet: string): Promise<ForkHouse> {
  return forkHouseOf(await openTestHouse(subnet));
}

export function forkHouseOf(house: TestHouse): ForkHouse {
  const { place } = house;
  const inGuest = async (name: string, script: string): Promise<string> => {
    const { stdout } = await eventually(
      `sh -c ${script} in ${name}`,
      () => cli(place, 'exec', name, '--', 'sh', '-c', script),
      ({ exitCode, stdout: said }) => exitCode === 0 && said !== '',
    );
    return stdout.trim();
  };
  return {
    ...house,
    inGuest,
    declareForks: (names, source, spec = {}) =>
      declare(
        place,
        `${names[0] ?? ''}.yaml`,
        names.map((name) => forkText(name, source, spec)).join('---\n'),
      ),
    withdraw: (file) => rm(`${place.watchDir}/${file}.yaml`),
    lifeOf: async (name) => {
      const [boot = '', counted] = (
        await inGuest(name, 'cat /proc/sys/kernel/random/boot_id /tmp/count')
      ).split('\n');
      return { boot, counted: Number(counted) };
    },
    until: async (name, what, satisfies, ms = 120_000) => {
      const seen = await eventually(
        `${name} ${what}`,
        () => getInstance(place, name),
        (each) => each !== undefined && satisfies(each),
        ms,
      );
      if (seen === undefined) throw new Error(`${name} is not there`);
      return seen;
    },
  };
}

function forkText(name: string, source: string, spec: Readonly<Record<string, unknown>>): string {
  const { forkFrom, ...others } = spec;
  const from = { instance: source, ...(typeof forkFrom === 'object' ? forkFrom : {}) };
  const document = {
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: { name },
    spec: { forkFrom: from, ...others },
  };
  return `${JSON.stringify(document)}\n`;
}

export function reasonOf({ status }: ReportedInstance): string | undefined {
  return status.conditions.find(({ type }) => type === 'Ready')?.reason;
}

export function isReady({ status }: ReportedInstance): boolean {
  return status.conditions.some((each) => each.type === 'Ready' && each.status === 'True');
}
