import { afterAll, beforeAll, expect, test } from 'vitest';
import { grant, openLab, readUntil } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';

let lab: Lab;
let guest: GuestEnd;

beforeAll(async () => {
  lab = await openLab({ limits: { connections: 12, pending: 8 } });
  await lab.upstream(['api.test']);
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

async function statusOfGet(): Promise<number> {
  return guest.get('api.test').then(
    (answer) => answer.status,
    () => 503,
  );
}

test('row 57: beyond its cap an instance gets 503, and another is not affected', async () => {
  const open = [];
  for (let count = 0; count < 12; count += 1) open.push(await guest.tunnel('api.test'));
  const one = await guest.dial('explicit');
  expect(await readUntil(one, 'close')).toMatch(/^HTTP\/1.1 503 [^]*TooManyConnections/);
  const other = await lab.guest([grant()], 'two');
  expect((await other.get('api.test')).status).toBe(200);
  for (const socket of open) socket.destroy();
  await expect.poll(statusOfGet, { timeout: 5000 }).toBe(200);
});

test('row 57: connections that say nothing are fewer still', async () => {
  const open = [];
  for (let count = 0; count < 8; count += 1) open.push(await guest.dial('tls'));
  const one = await guest.dial('tls');
  expect(await readUntil(one, 'close')).toBe('');
  expect(lab.decisions.at(-1)).toMatchObject({ reason: 'TooManyConnections' });
  for (const socket of open) socket.destroy();
  await expect.poll(statusOfGet, { timeout: 5000 }).toBe(200);
});
