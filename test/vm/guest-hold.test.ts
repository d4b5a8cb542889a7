import { symlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freezeMachine } from '../../src/act/fork.ts';
import type { Hands } from '../../src/act/hands.ts';
import { HOLD_LASTS_MS } from '../../src/guest/guest-links.ts';
import type { MemoryKeeper } from '../../src/machine/driver.ts';
import { aBase, BASE_ID } from '../support/fork-worlds.ts';
import { openForkStage } from '../support/fork-stage.ts';
import type { Forkable, ForkStage } from '../support/fork-stage.ts';

const COUNTER = 'n=0; while :; do n=$((n+1)); echo $n > /tmp/new; mv /tmp/new /tmp/count; sleep 0.05; done';

let stage: ForkStage;
let source: Forkable;

beforeAll(async () => {
  stage = await openForkStage((tree) => symlink('busybox', `${tree}/bin/mv`));
  source = await stage.boot('10.100.0.2', ['sh', '-c', COUNTER]);
});
afterAll(async () => {
  await stage.close();
});

async function stands(one: Forkable): Promise<boolean> {
  const count = (): Promise<string> => stage.run(one, 'cat /tmp/count');
  const before = await count();
  await sleep(1_000);
  return (await count()) === before;
}

test('a guest that nobody lets go goes on by itself, and a copy of it that nobody identifies does not', async () => {
  const { id } = source.machine;
  stage.links.hold(id);
  await stage.told(source, ({ held }) => held === true);
  expect(stage.links.heldForMs(id)).toBeLessThan(HOLD_LASTS_MS);
  const base = await stage.freeze(source);
  const copy = await stage.fork(source, base, '10.100.0.3');
  await stage.connect(copy);
  await stage.told(copy, ({ held }) => held === true);
  expect(await stands(source)).toBe(true);
  await stage.told(source, ({ held }) => held === undefined);
  expect(stage.links.heldForMs(id)).toBeUndefined();
  expect(await stands(source)).toBe(false);
  await sleep(HOLD_LASTS_MS / 2);
  expect(await stage.told(copy, () => true)).toMatchObject({ identity: id, held: true });
  expect(await stands(copy)).toBe(true);
  stage.links.release(copy.machine.id);
  await stage.told(copy, ({ held }) => held === undefined);
  expect(await stands(copy)).toBe(false);
});

test('one that stands still since nobody knows when goes on, and stands still anew, before it is frozen', async () => {
  const { links } = stage;
  const { id } = source.machine;
  links.hold(id);
  await stage.told(source, ({ held }) => held === true);
  links.drop(id);
  await stage.told(source, ({ held }) => held === true);
  const before = await stage.run(source, 'cat /tmp/count');
  expect(links.heldForMs(id)).toBeUndefined();
  const freeze: MemoryKeeper['freeze'] = async (_machine, _base, { onReady, onPaused }) => {
    await onReady?.();
    onPaused?.();
    expect(links.heldForMs(id)).toBeLessThan(HOLD_LASTS_MS / 2);
    expect(await stands(source)).toBe(true);
    return { pausedMs: 0 };
  };
  const hands = {
    ...{ links, forkTroubles: new Map(), drivers: { qemu: { memory: { freeze } } } },
    snapshots: { basePaths: () => ({}), notePause: () => Promise.resolve() },
  } as unknown as Hands;
  const { machine } = source;
  const freezing = {
    kind: 'freeze-machine',
    hypervisor: 'qemu',
    machine,
    base: BASE_ID,
    origin: aBase().origin,
  } as const;
  await freezeMachine(hands, freezing, new AbortController().signal);
  expect(await stands(source)).toBe(false);
  expect(Number(await stage.run(source, 'cat /tmp/count'))).toBeGreaterThan(Number(before));
});
