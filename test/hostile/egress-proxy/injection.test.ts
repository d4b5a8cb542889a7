import { afterAll, beforeAll, expect, test } from 'vitest';
import { VALUE, grant, openLab, raw } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { Upstream } from '../../support/egress-upstream.ts';

let lab: Lab;
let up: Upstream;
let evil: Upstream;
let guest: GuestEnd;

beforeAll(async () => {
  lab = await openLab();
  up = await lab.upstream(['api.test', 'other.test'], {
    answer: (request, response) => {
      response.setHeader('x-echo', request.headers.authorization ?? '');
      response.setHeader('alt-svc', 'h3=":443"');
      if (request.url === '/moved') response.writeHead(302, { location: 'https://evil.test/' });
      response.end(`saw ${request.url ?? ''}`);
    },
  });
  evil = await lab.upstream(['evil.test']);
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

test('the declared host gets the real value in the declared header', async () => {
  const answer = await guest.get('api.test', {
    path: '/v1',
    headers: { authorization: 'Bearer mock-API_KEY' },
  });
  expect(answer).toMatchObject({ status: 200, body: 'saw /v1' });
  expect(up.last('authorization')).toEqual([`Bearer ${VALUE}`]);
  expect(lab.decisions.at(-1)).toMatchObject({
    verdict: 'injected',
    credentials: ['API_KEY'],
    host: 'api.test',
  });
});

test('any other host gets nothing', async () => {
  await guest.get('other.test', { headers: { authorization: 'Bearer mock-API_KEY' } });
  expect(up.last('authorization')).toEqual(['Bearer mock-API_KEY']);
  expect(lab.decisions.at(-1)).toMatchObject({ verdict: 'spliced', host: 'other.test' });
});

test.each([
  ['lower case', 'authorization: a\r\n'],
  ['twice', 'authorization: a\r\nauthorization: b\r\n'],
  ['in two letter cases', 'Authorization: a\r\nauthorization: b\r\nAUTHORIZATION: c\r\n'],
])('row 36: a header that the guest sends %s is replaced by exactly one of ours', async (_, fields) => {
  const socket = await guest.tunnel('api.test');
  const answer = await raw(socket, `GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n${fields}\r\n`);
  expect(answer).toMatch(/^HTTP\/1.1 200/);
  expect(up.last('authorization')).toEqual([`Bearer ${VALUE}`]);
});

test('row 37: naming our header in Connection does not take it away', async () => {
  const socket = await guest.tunnel('api.test');
  await raw(
    socket,
    'GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close, Authorization, x-mine\r\nAuthorization: a\r\nX-Mine: 1\r\nKeep-Alive: 9\r\n\r\n',
  );
  expect(up.last('authorization')).toEqual([`Bearer ${VALUE}`]);
  expect(up.last('x-mine')).toEqual([]);
  expect(up.last('keep-alive')).toEqual([]);
});

test('row 35: over plain HTTP a matching host gets what the guest sent', async () => {
  const socket = await guest.dial('explicit');
  await raw(
    socket,
    'GET http://api.test/x HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nAuthorization: mine\r\n\r\n',
  );
  expect(up.last('authorization')).toEqual(['mine']);
  expect(lab.decisions.at(-1)).toMatchObject({ verdict: 'forwarded', credentials: [] });
});

test('row 38: a placeholder that leaves unreplaced is told', async () => {
  const socket = await guest.dial('http');
  await raw(
    socket,
    'GET /x HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\nX-Key: mock-API_KEY\r\n\r\n',
  );
  expect(up.last('x-key')).toEqual(['mock-API_KEY']);
  expect(lab.decisions.slice(-2)).toMatchObject([
    { reason: 'PlaceholderLeak', credentials: ['API_KEY'] },
    {},
  ]);
});

test('row 39: TRACE is refused where a rule matches', async () => {
  const before = up.seen.length;
  const socket = await guest.tunnel('api.test');
  expect(await raw(socket, 'TRACE / HTTP/1.1\r\nHost: api.test\r\n\r\n')).toMatch(/^HTTP\/1.1 405/);
  expect(up.seen).toHaveLength(before);
});

test('row 40: an echoed header comes back with the placeholder in it', async () => {
  const answer = await guest.get('api.test');
  expect(answer.headers['x-echo']).toBe('Bearer mock-API_KEY');
  expect(answer.headers['alt-svc']).toBeUndefined();
});

test('row 41: a redirect is returned, not followed', async () => {
  const answer = await guest.get('api.test', { path: '/moved' });
  expect(answer).toMatchObject({ status: 302, headers: { location: 'https://evil.test/' } });
  expect(evil.connections()).toBe(0);
});

test.each(['with\r\nnewline', 'nul\0', 'ünï→', ''])(
  'row 43: the value %j is not sent and harms nobody',
  async (value) => {
    const before = up.seen.length;
    guest.put([grant({ value, format: '${value}' })]);
    const answer = await guest.get('api.test');
    guest.put([grant()]);
    expect(answer.status).toBe(503);
    expect(answer.body).toContain('CredentialUnusable');
    expect(up.seen).toHaveLength(before);
    expect((await guest.get('api.test')).status).toBe(200);
  },
);

test.each([
  ['${value}', 'a$&b$1'],
  ['$${value}', '$a$&b$1'],
  ['${value}:${value}', 'a$&b$1:a$&b$1'],
  ['Basic ${value}', 'Basic a$&b$1'],
])('row 44: the format %s is filled in literally', async (format, expected) => {
  guest.put([grant({ value: 'a$&b$1', format })]);
  await guest.get('api.test');
  guest.put([grant()]);
  expect(up.last('authorization')).toEqual([expected]);
});

test('with `when: placeholder` the header is set only where the guest sent the placeholder in it', async () => {
  guest.put([grant({ when: 'placeholder', format: '${value}' })]);
  const sent = [];
  for (const authorization of ['mine', 'x mock-API_KEY y', `Basic ${btoa('user:mock-API_KEY')}`]) {
    await guest.get('api.test', { headers: { authorization } });
    sent.push(up.last('authorization'));
  }
  await guest.get('api.test');
  guest.put([grant()]);
  expect([...sent, up.last('authorization')]).toEqual([['mine'], [VALUE], [VALUE], []]);
});

test('row 45: of two grants for one header the more specific host wins', async () => {
  guest.put([
    grant({ hosts: [], value: 'everywhere', format: '${value}' }),
    grant({ hosts: ['*.two.test'], value: 'wildcard', format: '${value}' }),
    grant({ hosts: ['api.two.test'], value: 'exact', format: '${value}' }),
  ]);
  lab.names.set('api.two.test', [up.address]).set('b.two.test', [up.address]);
  const got = [];
  for (const host of ['api.two.test', 'b.two.test', 'other.test']) {
    await guest.get(host);
    got.push(...up.last('authorization'));
  }
  guest.put([grant()]);
  expect(got).toEqual(['exact', 'wildcard', 'everywhere']);
});

test('no decision holds the value', () => {
  expect(JSON.stringify(lab.decisions)).not.toContain(VALUE);
});
