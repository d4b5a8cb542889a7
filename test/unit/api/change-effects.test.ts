import { expect, test } from 'vitest';
import { changeEffectOf } from '../../../src/api/change-effects.ts';

test.each([
  ['vcpus', 'restart'],
  ['image', 'recreate'],
  ['env.PORT', 'restart'],
  ['env.my.dotted.key', 'restart'],
  ['tags.team', 'live'],
  ['volumes[0].mountPath', 'restart'],
  ['network.bandwidthUpload', 'live'],
  ['network.egress.enforcement.mode', 'live'],
  ['forkFrom.instance', 'immutable'],
  ['affinity.nodeAffinity', 'placement'],
])('an edit of %s takes effect: %s', (path, effect) => {
  expect(changeEffectOf(path)).toBe(effect);
});

test('a group has the heaviest effect of its fields', () => {
  expect(changeEffectOf('network')).toBe('restart');
  expect(changeEffectOf('network.egress')).toBe('live');
});

test('a path nobody knows is never taken for applied', () => {
  expect(changeEffectOf('flavour')).toBe('restart');
  expect(changeEffectOf('toString')).toBe('restart');
});
