import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { OUTPUT_WINDOW } from '../../../src/guest/guest-stream.ts';
import {
  FROM_GUEST,
  FROM_HOST,
  STREAM_WINDOW,
  encodeFrame,
  numberBytes,
} from '../../../src/guest/protocol.ts';
import { subjectHash } from '../../../src/guest/subject-hash.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { stateBytes } from '../../support/hostile-guest.ts';
import type { ScriptedEnd } from '../../support/hostile-guest.ts';
import { SHAPE_CA } from '../../support/test-ca.ts';
import { heardTypes, id, started, stage, until } from '../../support/link-stage.ts';

describe('what a guest tells', () => {
  test('silent until it speaks; then each news is told once', async () => {
    const { links, ends, changes } = stage();
    expect(links.look(id, '/g')).toEqual({ state: 'silent' });
    await until(() => (ends[0]?.heard.length ?? 0) > 0);
    ends[0]?.say(FROM_GUEST.state, 0, stateBytes(0));
    ends[0]?.say(FROM_GUEST.state, 0, stateBytes(0));
    await until(() => links.look(id, '/g').state === 'booting');
    ends[0]?.say(FROM_GUEST.state, 0, stateBytes(2, { code: 3, message: 'exit code 3\u001b[31m' }));
    await until(() => changes() === 2);
    expect(links.lastTold(id)).toEqual({ state: 'exited', exit: { code: 3, message: 'exit code 3 [31m' } });
  });

  test('the start is dated by how long ago it was', async () => {
    const { links, ends } = stage();
    links.look(id, '/g');
    await until(() => (ends[0]?.heard.length ?? 0) > 0);
    ends[0]?.say(FROM_GUEST.state, 0, stateBytes(1, { elapsed: 60_000 }));
    await until(() => links.look(id, '/g').state === 'started');
    const told = links.look(id, '/g');
    expect(told.state === 'started' && Math.abs(told.startedAt - (Date.now() - 60_000)) < 1000).toBe(true);
  });

  test('bytes of an earlier conversation are skipped', async () => {
    const stale = Buffer.concat([
      encodeFrame(FROM_GUEST.state, 0, stateBytes(2, { code: 9 })).subarray(3),
      Buffer.alloc(999, 7),
    ]);
    const { links, ends } = stage({ stale });
    links.look(id, '/g');
    await until(() => (ends[0]?.heard.length ?? 0) > 0);
    ends[0]?.say(FROM_GUEST.state, 0, stateBytes(0));
    await until(() => links.look(id, '/g').state === 'booting');
  });

  test('stays told while the connection is made again', async () => {
    const { links, end, ends } = await started();
    end.hangUp();
    await until(() => ends.length === 2);
    expect(links.look(id, '/g').state).toBe('started');
  });

  test('a dropped guest is a stranger', async () => {
    const { links } = await started();
    links.drop(id);
    expect(links.lastTold(id)).toEqual({ state: 'silent' });
  });
});

test('a guest is given its CA with the names that its stores need, and tells what became of it', async () => {
  const { links, end } = await started();
  const fingerprint = 'ab'.repeat(32);
  links.trustAuthority(id, { certificate: SHAPE_CA, fingerprint });
  await until(() => heardTypes(end).includes(FROM_HOST.trust));
  const words = end.heard
    .find(({ type }) => type === FROM_HOST.trust)
    ?.payload.toString()
    .split('\0');
  expect(words).toEqual([`c${SHAPE_CA}`, `f${fingerprint}`, `k${subjectHash(SHAPE_CA)}`, '']);
  end.say(FROM_GUEST.state, 0, stateBytes(1, { trust: 2, message: fingerprint }));
  await until(() => 'trust' in links.lastTold(id));
  expect(links.lastTold(id)).toMatchObject({ trust: { state: 'installed', fingerprint } });
});

test('how long programs stand still is known from the first word on, and not after the word that lets them go', async () => {
  const { links, end } = await started();
  const tell = async (held: boolean): Promise<void> => {
    end.say(FROM_GUEST.state, 0, stateBytes(1, { held: held ? 1 : 0 }));
    await until(() => 'held' in links.lastTold(id) === held);
  };
  links.hold(id);
  expect(links.heldForMs(id)).toBeUndefined();
  await tell(true);
  expect(links.heldForMs(id)).toBeGreaterThanOrEqual(0);
  links.release(id);
  expect(links.lastTold(id)).toMatchObject({ held: true });
  expect(links.heldForMs(id)).toBeUndefined();
  await tell(false);
  links.hold(id);
  await tell(true);
  expect(links.heldForMs(id)).toBeGreaterThanOrEqual(0);
});

describe('a lying guest only ends its own link', () => {
  test.each([
    [
      'a frame that is too long',
      (end: ScriptedEnd) => {
        end.raw(Buffer.from('ffffffff0000000042', 'hex'));
      },
    ],
    [
      'a type that is none',
      (end: ScriptedEnd) => {
        end.raw(encodeFrame(200, 0));
      },
    ],
    [
      'a stream that never was',
      (end: ScriptedEnd) => {
        end.say(FROM_GUEST.out, 77, Buffer.from('x'));
      },
    ],
    [
      'a state that is none',
      (end: ScriptedEnd) => {
        end.say(FROM_GUEST.state, 0, Buffer.alloc(16, 9));
      },
    ],
    [
      'a CA without a fingerprint',
      (end: ScriptedEnd) => {
        end.say(FROM_GUEST.state, 0, stateBytes(1, { trust: 2 }));
      },
    ],
    [
      'a state that is too short',
      (end: ScriptedEnd) => {
        end.say(FROM_GUEST.state, 0, Buffer.alloc(3));
      },
    ],
    [
      'the words that it is lost',
      (end: ScriptedEnd) => {
        end.say(FROM_GUEST.lost, 0);
      },
    ],
  ])('%s', async (_name, lie) => {
    const { end, ends, whys } = await started();
    lie(end);
    await until(() => ends.length === 2);
    expect(whys).toHaveLength(1);
  });

  test('more output than was granted', async () => {
    const { links, end, ends } = await started();
    const session = await links.exec(id, { argv: ['yes'], env: {} });
    for (let sent = 0; sent <= OUTPUT_WINDOW; sent += 32_768)
      end.say(FROM_GUEST.out, 1, Buffer.alloc(32_768));
    await expect(session.exitCode).rejects.toMatchObject({ reason: 'GuestGone' });
    await until(() => ends.length === 2);
  });
});

describe('a command', () => {
  test('is asked for, fed within the guest’s window, heard, and ends', async () => {
    const { links, end } = await started();
    const session = await links.exec(id, {
      argv: ['cat'],
      env: { A: 'b' },
      terminal: { columns: 80, rows: 25 },
    });
    session.stdin.write(Buffer.alloc(STREAM_WINDOW + 10));
    await until(() => heardTypes(end).includes(FROM_HOST.data));
    await sleep(20);
    const fed = (): number =>
      end.heard
        .filter(({ type }) => type === FROM_HOST.data)
        .reduce((sum, { payload }) => sum + payload.length, 0);
    expect(fed()).toBe(STREAM_WINDOW);
    end.say(FROM_GUEST.credit, 1, numberBytes(100));
    await until(() => fed() === STREAM_WINDOW + 10);
    expect(end.heard.find(({ type }) => type === FROM_HOST.exec)?.payload.toString()).toBe(
      'acat\0eA=b\0c80\0r25\0',
    );
    end.say(FROM_GUEST.out, 1, Buffer.from('words'));
    end.say(FROM_GUEST.exited, 1, numberBytes(4));
    expect(await session.exitCode).toBe(4);
    expect(await Readable.from(session.stdout).toArray()).toEqual([Buffer.from('words')]);
  });

  test('an unread output is not granted more', async () => {
    const { links, end } = await started();
    const session = await links.exec(id, { argv: ['yes'], env: {} });
    for (let sent = 0; sent < OUTPUT_WINDOW; sent += 32_768) end.say(FROM_GUEST.out, 1, Buffer.alloc(32_768));
    await sleep(50);
    const granted = (): number =>
      end.heard
        .filter(({ type }) => type === FROM_HOST.credit)
        .reduce((sum, { payload }) => sum + payload.readUInt32LE(0), 0);
    expect(granted()).toBe(OUTPUT_WINDOW);
    session.stdout.resume();
    await until(() => granted() === 2 * OUTPUT_WINDOW);
  });

  test('that the guest refuses is told with its words', async () => {
    const { links, end } = await started();
    const session = await links.exec(id, { argv: ['x'], env: {} });
    end.say(FROM_GUEST.failed, 1, Buffer.concat([numberBytes(0), Buffer.from('too many sessions')]));
    await expect(session.exitCode).rejects.toThrow(/too many sessions/);
  });

  test('is refused where no agent is, where nobody answers, and where the program ended', async () => {
    const { links, end } = await started();
    await expect(links.exec(instanceId('other'), { argv: ['x'], env: {} })).rejects.toMatchObject({
      reason: 'GuestUnreachable',
    });
    end.say(FROM_GUEST.state, 0, stateBytes(1, { agent: false }));
    await until(() => JSON.stringify(links.look(id, '/g')).includes('"agentReady":false'));
    await expect(links.exec(id, { argv: ['x'], env: {} })).rejects.toMatchObject({ reason: 'AgentSkipped' });
    end.say(FROM_GUEST.state, 0, stateBytes(2, { code: 0 }));
    await until(() => links.look(id, '/g').state === 'exited');
    await expect(links.stat(id, '/x')).rejects.toMatchObject({ reason: 'GuestUnreachable' });
  });

  test('longer than a frame is refused before it is sent', async () => {
    const { links } = await started();
    await expect(links.exec(id, { argv: ['x'.repeat(70_000)], env: {} })).rejects.toMatchObject({
      reason: 'ExecTooLong',
    });
    await expect(links.read(id, 'relative')).rejects.toMatchObject({ reason: 'PathInvalid' });
  });
});
