import { describe, expect, test } from 'vitest';
import type { InstanceId } from '../../../src/machine/ids.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { ownerFor } from '../../../src/machine/owner.ts';
import { pathsFor } from '../../../src/machine/paths.ts';
import { openFakeHost } from '../../support/fake-guest.ts';
import type { FakeHost, GuestScript } from '../../support/fake-guest.ts';

const signal = new AbortController().signal;
const id = instanceId('one');
const machine: Machine = {
  ...{ id, vcpus: 1, memoryBytes: 1, kernel: '/k', initrd: [], cmdline: '', disks: [], owner: ownerFor(1) },
  paths: pathsFor({ state: '/s', run: '/r' }, id),
};

type Stage = { readonly host: FakeHost; readonly heard: InstanceId[]; readonly changed: InstanceId[] };

async function started(script: Partial<GuestScript> = {}): Promise<Stage> {
  const heard: InstanceId[] = [];
  const changed: InstanceId[] = [];
  const host = openFakeHost({
    ...{ onMachine: (one) => changed.push(one), onGuest: (one) => heard.push(one) },
    scriptFor: () => script,
  });
  await host.driver.start(machine, signal);
  return { host, heard, changed };
}

describe('a fake guest', () => {
  test('boots, then starts its program and says so', async () => {
    const { host, heard } = await started({ bootMs: 5 });
    expect(host.links.look(id, '')).toEqual({ state: 'booting' });
    await expect.poll(() => host.links.look(id, '').state).toBe('started');
    expect(heard).toEqual([id]);
  });

  test('may never become ready', async () => {
    const { host } = await started({ bootMs: 'never' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(host.links.look(id, '')).toEqual({ state: 'booting' });
  });

  test('that exits powers off when its exit is acknowledged, and its last words stay until the drop', async () => {
    const { host } = await started();
    host.exit(id, 3);
    expect(host.links.look(id, '')).toMatchObject({ state: 'exited', exit: { code: 3 } });
    expect((await host.driver.observe(machine, signal)).state).toBe('running');
    host.links.acknowledgeExit(id);
    expect(await host.driver.observe(machine, signal)).toEqual({ state: 'absent', ended: 'guest-shutdown' });
    expect(host.links.look(id, '')).toEqual({ state: 'silent' });
    expect(host.links.lastTold(id)).toMatchObject({ state: 'exited' });
    host.links.drop(id);
    expect(host.links.lastTold(id)).toEqual({ state: 'silent' });
  });

  test('obeys a shutdown', async () => {
    const { host } = await started();
    host.links.shutdown(id, 1000);
    expect(host.links.look(id, '')).toMatchObject({ state: 'exited', exit: { code: 143 } });
  });

  test('obeys the power button', async () => {
    const { host } = await started();
    await host.driver.pressPowerButton(machine, signal);
    expect(host.links.look(id, '')).toMatchObject({ state: 'exited', exit: { code: 143 } });
  });

  test('may ignore a shutdown', async () => {
    const { host } = await started({ onShutdown: 'ignores' });
    host.links.shutdown(id, 0);
    await host.driver.pressPowerButton(machine, signal);
    expect(host.links.look(id, '').state).not.toBe('exited');
  });

  test('is gone with a VMM that crashes, without a reason', async () => {
    const { host, changed } = await started();
    host.crash(id);
    expect(await host.driver.observe(machine, signal)).toEqual({ state: 'absent' });
    expect(host.links.look(id, '')).toEqual({ state: 'silent' });
    expect(changed).toEqual([id]);
  });

  test('runs on when its controller ends, and only the next one is told', async () => {
    const { host, heard, changed } = await started({ bootMs: 5 });
    await host.close();
    const next: InstanceId[] = [];
    const after = openFakeHost({
      ...{ onMachine: (one) => next.push(one), onGuest: (one) => next.push(one) },
      world: host.world,
    });
    await expect.poll(() => after.links.look(id, '').state).toBe('started');
    after.crash(id);
    expect(next).toEqual([id, id]);
    expect([...heard, ...changed]).toEqual([]);
  });
});
