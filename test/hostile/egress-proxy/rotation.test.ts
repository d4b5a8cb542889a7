import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { grant, openLab, raw, readUntil } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { Upstream } from '../../support/egress-upstream.ts';

let lab: Lab;
let up: Upstream;
let guest: GuestEnd;

beforeAll(async () => {
  lab = await openLab();
  up = await lab.upstream(['api.test', 'other.test'], {
    early: (request, response) => {
      if (request.url === '/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
        return;
      }
      request.resume();
      request.on('end', () => response.end(String(request.headers.authorization)));
    },
  });
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

test('row 46: while it rotates 50 times each of 1,000 requests has one value, and none an old one', async () => {
  let current = 0;
  const rotate = (): void => {
    guest.put([grant({ value: `value-${current + 1}` })]);
    current += 1;
  };
  rotate();
  const sockets = await Promise.all(Array.from({ length: 4 }, () => guest.tunnel('api.test')));
  const agents = sockets.map((socket) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = () => socket;
    return agent;
  });
  const wrong: string[] = [];
  let done = 0;
  const one = async (agent: Agent): Promise<void> => {
    const oldest = current;
    const request = httpRequest({ agent, host: 'api.test', headers: { host: 'api.test' } }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of response) body += String(chunk);
    const used = Number(/^Bearer value-(\d+)$/.exec(body)?.[1]);
    if (!(used >= oldest && used <= current)) wrong.push(`${body} between ${oldest} and ${current}`);
    done += 1;
    if (done % 20 === 0) rotate();
  };
  await Promise.all(
    agents.map(async (agent) => {
      for (let count = 0; count < 250; count += 1) await one(agent);
    }),
  );
  expect(wrong).toEqual([]);
  expect({ done, current }).toEqual({ done: 1000, current: 51 });
  for (const agent of agents) agent.destroy();
});

test('row 46: a rotation during an upload and during server-sent events disturbs neither', async () => {
  guest.put([grant({ value: 'before' })]);
  const upload = await guest.tunnel('api.test');
  const events = await guest.tunnel('api.test');
  upload.write('POST /up HTTP/1.1\r\nHost: api.test\r\nContent-Length: 6\r\n\r\nabc');
  events.write('GET /events HTTP/1.1\r\nHost: api.test\r\n\r\n');
  expect(await readUntil(events, /data: 1/)).toContain('data: 1');
  await sleep(50);
  guest.put([grant({ value: 'after0' })]);
  expect(await raw(upload, 'def', /Bearer \w+/)).toMatch(/Bearer before/);
  expect(await raw(upload, 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n', /Bearer \w+/)).toMatch(
    /Bearer after0/,
  );
  expect(events.destroyed).toBe(false);
  upload.destroy();
  events.destroy();
});

test('a value that is rotated while the upstream is dialled is the new one', async () => {
  guest.put([grant({ hosts: ['slow.test'], value: 'before' })]);
  const { address } = up;
  lab.names.set('slow.test', [address]);
  const socket = await guest.tunnel('slow.test');
  const answer = raw(socket, 'GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n', /Bearer \w+/);
  // The request is on its way to the proxy; the dial to a host that was never seen takes several turns.
  await new Promise(setImmediate);
  guest.put([grant({ hosts: ['slow.test'], value: 'after0' })]);
  expect(await answer).toMatch(/Bearer after0/);
  socket.destroy();
});

async function closesWithinASecond(socket: { destroyed: boolean } & NodeJS.EventEmitter): Promise<boolean> {
  if (socket.destroyed) return true;
  return Promise.race([once(socket, 'close').then(() => true), sleep(1000, false)]);
}

test.each([
  ['taken away', []],
  ['narrowed to another host', [grant({ hosts: ['other.test'] })]],
  ['moved to another header', [grant({ header: 'x-key' })]],
])('row 47: a grant that is %s closes the streams that used it', async (_, grants) => {
  guest.put([grant()]);
  const events = await guest.tunnel('api.test');
  events.write('GET /events HTTP/1.1\r\nHost: api.test\r\n\r\n');
  await readUntil(events, /data: 1/);
  events.resume();
  guest.put(grants);
  expect(await closesWithinASecond(events)).toBe(true);
});

test('row 47: a grant beside it that goes leaves the stream open', async () => {
  const beside = grant({ credential: 'BESIDE', header: 'x-beside', hosts: ['other.test'] });
  guest.put([grant(), beside]);
  const events = await guest.tunnel('api.test');
  events.write('GET /events HTTP/1.1\r\nHost: api.test\r\n\r\n');
  await readUntil(events, /data: 1/);
  guest.put([grant({ value: 'rotated' })]);
  await sleep(200);
  expect(events.destroyed).toBe(false);
  events.destroy();
});

test('a host that becomes granted is no longer spliced, one that was is no longer opened', async () => {
  guest.put([grant()]);
  const spliced = await guest.tunnel('other.test');
  const opened = await guest.tunnel('api.test');
  for (const socket of [spliced, opened]) socket.resume();
  guest.put([grant({ hosts: ['other.test'] })]);
  expect(await closesWithinASecond(spliced)).toBe(true);
  expect(await closesWithinASecond(opened)).toBe(true);
});

test('row 5: without the policy everything of the instance closes, and its address means nothing', async () => {
  guest.put([grant()]);
  const sockets = [
    await guest.tunnel('api.test'),
    await guest.tunnel('other.test'),
    await guest.dial('explicit'),
    await guest.dial('tls'),
    await guest.dial('http'),
  ];
  for (const socket of sockets) socket.resume();
  lab.policies.remove('one');
  for (const socket of sockets) expect(await closesWithinASecond(socket)).toBe(true);
  await lab.proxy.drop('one');
  await expect(guest.dial('explicit')).rejects.toThrow(/ECONNREFUSED/);
});

test('an address that goes to another instance takes no open connection with it', async () => {
  const two = await lab.guest([grant()], 'two');
  const socket = await two.tunnel('api.test');
  socket.resume();
  lab.policies.swap({ ...two.policy, guest: '127.0.0.99' });
  expect(await closesWithinASecond(socket)).toBe(true);
});
