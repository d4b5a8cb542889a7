import { createSocket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import { encode } from 'dns-packet';
import type { Answer } from 'dns-packet';
import { openForward } from '../../../../src/egress/dns/forward.ts';
import { SERVFAIL, addressesIn, readQuestion } from '../../../../src/egress/dns/message.ts';
import type { Question } from '../../../../src/egress/dns/message.ts';
import { nameServersIn } from '../../../../src/egress/dns/name-servers.ts';
import { answerWith, openNameServer } from '../../../support/egress-name-server.ts';
import type { Asking, NameServerEnd } from '../../../support/egress-name-server.ts';

const opened: NameServerEnd[] = [];
const TIMES = { eachMs: 150, allMs: 500 };
const TRUE_ANSWER: Answer = { type: 'A', name: 'api.test', ttl: 60, data: '93.184.215.14' };
const FALSE_ANSWER: Answer = { ...TRUE_ANSWER, data: '198.41.0.4' };

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function server(onQuestion: (asking: Asking) => void): Promise<NameServerEnd> {
  const one = await openNameServer('127.0.0.1', onQuestion);
  opened.push(one);
  return one;
}

function question(name = 'api.test'): Question {
  const asked = readQuestion(encode({ type: 'query', id: 7, questions: [{ type: 'A', name }] }));
  if (asked.is !== 'question') throw new Error(asked.is);
  return asked.question;
}

async function resolvedBy(...servers: readonly NameServerEnd[]): Promise<readonly string[] | number> {
  const reply = await openForward(() => Promise.resolve(servers), TIMES)(question());
  return reply.code === 0 ? addressesIn(reply) : reply.code;
}

test('each question has an id and a port of its own', async () => {
  const one = await server((asking) => {
    asking.say(answerWith(asking, [TRUE_ANSWER]));
  });
  for (let count = 0; count < 20; count += 1) expect(await resolvedBy(one)).toEqual(['93.184.215.14']);
  expect(new Set(one.asked.map(({ from }) => from?.port)).size).toBeGreaterThan(15);
  expect(new Set(one.asked.map(({ packet }) => packet.id)).size).toBeGreaterThan(15);
});

test('who answers another id, another question or from elsewhere is not believed', async () => {
  const stranger = createSocket('udp4');
  const one = await server((asking) => {
    const { packet, from } = asking;
    asking.say(answerWith(asking, [FALSE_ANSWER], { id: ((packet.id ?? 0) + 1) & 0xffff }));
    const other = { ...packet, questions: [{ type: 'A' as const, name: 'other.test' }] };
    asking.say(answerWith({ ...asking, packet: other }, [FALSE_ANSWER]));
    asking.say(encode({ type: 'query', id: packet.id ?? 0, questions: packet.questions ?? [] }));
    asking.say(Buffer.from('nonsense'));
    stranger.send(answerWith(asking, [FALSE_ANSWER]), from?.port ?? 0, '127.0.0.1');
    setTimeout(() => {
      asking.say(answerWith(asking, [TRUE_ANSWER]));
    }, 30);
  });
  expect(await resolvedBy(one)).toEqual(['93.184.215.14']);
  stranger.close();
});

test('an answer that was cut is asked for again over TCP', async () => {
  const one = await server((asking) => {
    asking.say(
      answerWith(asking, asking.over === 'tcp' ? [TRUE_ANSWER] : [], {
        flags: 0x0200 * Number(asking.over === 'udp'),
      }),
    );
  });
  expect(await resolvedBy(one)).toEqual(['93.184.215.14']);
  expect(one.asked.map(({ over }) => over)).toEqual(['udp', 'tcp']);
});

test('a silent server, a closed port and one that cannot answer are followed by the next', async () => {
  const silent = await server(() => undefined);
  const closed = await server(() => undefined);
  await closed.close();
  opened.splice(opened.indexOf(closed), 1);
  const unable = await server((asking) => {
    asking.say(answerWith(asking, [], { flags: SERVFAIL }));
  });
  const good = await server((asking) => {
    asking.say(answerWith(asking, [TRUE_ANSWER]));
  });
  expect(await resolvedBy(silent, closed, unable, good)).toEqual(['93.184.215.14']);
});

test('when nobody answers it is SERVFAIL, and in time', async () => {
  const silent = await server(() => undefined);
  expect(await resolvedBy(silent)).toBe(SERVFAIL);
  expect(silent.asked.length).toBe(3);
});

test('an answer that cannot be parsed is SERVFAIL', async () => {
  const broken = await server((asking) => {
    const bytes = answerWith(asking, [TRUE_ANSWER]);
    asking.say(bytes.subarray(0, bytes.length - 3));
  });
  expect(await resolvedBy(broken)).toBe(SERVFAIL);
});

test.each([
  ['nameserver 10.0.0.53\nnameserver 127.0.0.53\n', ['10.0.0.53', '127.0.0.53']],
  ['# nameserver 1.1.1.1\nsearch x\n\tnameserver   fe80::1%eth0 # ours\n', ['fe80::1%eth0']],
  ['nameserver nonsense\n', ['127.0.0.1']],
  ['', ['127.0.0.1']],
])('%j names the servers %j', (text, addresses) => {
  expect(nameServersIn(text).map(({ address }) => address)).toEqual(addresses);
});

test('a server that cannot even be reached is passed over', async () => {
  const good = await server((asking) => {
    asking.say(answerWith(asking, [TRUE_ANSWER]));
  });
  // An interface that does not exist: connect(2) refuses.
  const unreachable = { address: 'fe80::1%nowhere', port: 53 };
  const reply = await openForward(() => Promise.resolve([unreachable, good]), TIMES)(question());
  expect(addressesIn(reply)).toEqual(['93.184.215.14']);
});
