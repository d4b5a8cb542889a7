import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from 'vitest';
import type { GuestLinks } from '../../src/guest/guest-links.ts';
import { openGuestLinks } from '../../src/guest/links.ts';
import { FROM_GUEST } from '../../src/guest/protocol.ts';
import { instanceId } from '../../src/machine/ids.ts';
import { scriptedEnd, stateBytes, wire } from './hostile-guest.ts';
import type { ScriptedEnd } from './hostile-guest.ts';

export const id = instanceId('one');
const open: GuestLinks[] = [];
afterEach(() => {
  for (const links of open.splice(0)) links.close();
});

/** Links to a guest that can be called again and again; `ends` are its lives. */
export function stage(options: Parameters<typeof scriptedEnd>[1] = {}): {
  links: GuestLinks;
  ends: ScriptedEnd[];
  changes: () => number;
  whys: string[];
} {
  const ends: ScriptedEnd[] = [];
  const whys: string[] = [];
  let changes = 0;
  const links = openGuestLinks({
    connect: () => {
      const { host, guest } = wire();
      ends.push(scriptedEnd(guest, options));
      return Promise.resolve(host);
    },
    onChange: () => (changes += 1),
    log: (_id, why) => whys.push(why),
  });
  open.push(links);
  return { links, ends, changes: () => changes, whys };
}

export async function until(met: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !met(); tries += 1) await sleep(5);
  if (!met()) throw new Error('it never came to that');
}

/** Links to a guest whose program runs. */
export async function started(): Promise<ReturnType<typeof stage> & { end: ScriptedEnd }> {
  const made = stage();
  made.links.look(id, '/g');
  await until(() => (made.ends[0]?.heard.length ?? 0) > 0);
  const end = made.ends[0];
  if (end === undefined) throw new Error('nobody called');
  end.say(FROM_GUEST.state, 0, stateBytes(1));
  await until(() => made.links.look(id, '/g').state === 'started');
  return { ...made, end };
}

export const heardTypes = (end: ScriptedEnd): readonly number[] => end.heard.map(({ type }) => type);
