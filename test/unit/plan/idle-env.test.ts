import { expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { DIGESTS, runningWorld, wanted } from '../../support/worlds.ts';

function upToDate(world: World): string | undefined {
  const { conditions } = statusOf(world, { is: 'planned', plan: plan(world) });
  const found = conditions.find(({ type }) => type === 'UpToDate');
  return found && `${found.status} ${found.reason}: ${found.message}`;
}

test('a variable of a fork that its guest does not get is named, whether it is up to date or not', () => {
  const environment = { is: 'ready', digests: DIGESTS, idle: ['KEY', 'TOKEN'] } as const;
  const note =
    'the guest does not get env.KEY, env.TOKEN, named as a secret of its source: choose another name';
  const world = runningWorld({ desired: wanted({}, { environment }) });
  expect(upToDate(world)).toBe(`True UpToDate: what runs, or the next start, is what the spec says; ${note}`);
  const edited = runningWorld({ desired: wanted({ vcpus: 3 }, { environment }) });
  expect(upToDate(edited)).toBe(`False RestartRequired: the next restart brings vcpus; ${note}`);
  expect(upToDate(runningWorld())).not.toContain('does not get');
});
