import { decode, encode } from 'dns-packet';
import type { Answer, Packet } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FORMERR,
  NOTIMP,
  answerTo,
  queryFor,
  readQuestion,
  readReply,
} from '../../../../src/egress/dns/message.ts';
import type { Question } from '../../../../src/egress/dns/message.ts';

const ADDRESS: Answer = { type: 'A', name: 'Api.test', ttl: 60, data: '93.184.215.14' };

function asked(packet: Packet = { questions: [{ type: 'A', name: 'Api.test' }] }): Buffer {
  return encode({ type: 'query', id: 4711, flags: 0x0100, ...packet });
}

function question(packet?: Packet): Question {
  const read = readQuestion(asked(packet));
  if (read.is !== 'question') throw new Error(read.is);
  return read.question;
}

function codeOf(bytes: Buffer): number | string {
  const read = readQuestion(bytes);
  return read.is === 'unfit' ? (decode(read.answer).flags ?? 0) & 0xf : read.is;
}

function withCounts(counts: readonly number[]): Buffer {
  const bytes = asked();
  for (const [at, count] of counts.entries()) bytes.writeUInt16BE(count, 4 + 2 * at);
  return bytes;
}

test('a question is read as it was asked', () => {
  expect(question()).toMatchObject({ id: 4711, name: 'Api.test', type: 1, isInternet: true, udpBytes: 512 });
});

test.each([
  ['an answer', encode({ type: 'response', id: 1 }), 'noise'],
  ['half a header', asked().subarray(0, 11), 'noise'],
  ['no question', withCounts([0, 0, 0, 0]), FORMERR],
  [
    'two questions',
    asked({
      questions: [
        { type: 'A', name: 'a' },
        { type: 'A', name: 'b' },
      ],
    }),
    FORMERR,
  ],
  ['a question that says it has an answer', withCounts([1, 1, 0, 0]), FORMERR],
  ['65535 additional records', withCounts([1, 0, 0, 65_535]), FORMERR],
  ['half a question', asked().subarray(0, 16), FORMERR],
  ['an update', encode({ type: 'query', id: 1, flags: 5 << 11 }), NOTIMP],
  [
    'a label with a dot in it',
    Buffer.concat([asked().subarray(0, 12), Buffer.from('\x05evil.\x04test\0\0\x01\0\x01', 'latin1')]),
    FORMERR,
  ],
  [
    'a name that points at itself',
    Buffer.concat([asked().subarray(0, 12), Buffer.from('c00c00010001', 'hex')]),
    FORMERR,
  ],
  [
    'bytes that are no text',
    Buffer.concat([asked().subarray(0, 12), Buffer.from('02fffe0000010001', 'hex')]),
    FORMERR,
  ],
])('%s is told so or not answered', (_what, bytes, expected) => {
  expect(codeOf(bytes)).toBe(expected);
});

test('no bytes whatever make the parser throw, and an answer is never answered', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ maxLength: 60 }).map((tail) => Buffer.concat([asked().subarray(0, 12), tail])),
  );
  fc.assert(
    fc.property(bytes, (array) => {
      const message = Buffer.from(array);
      const read = readQuestion(message);
      if (message.length > 2 && ((message[2] ?? 0) & 0x80) !== 0) expect(read.is).toBe('noise');
      const ours = question();
      readReply(message, queryFor(ours, 1), ours);
    }),
    { numRuns: 2000 },
  );
});

test('what is forwarded is the question alone, in our words', () => {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0x8000,
    flag_do: true,
    options: [
      { code: 'CLIENT_SUBNET', ip: '10.1.2.0', family: 1, sourcePrefixLength: 24, scopePrefixLength: 0 },
    ],
  } as unknown as Answer;
  const query = decode(
    queryFor(question({ questions: [{ type: 'AAAA', name: 'Api.test' }], additionals: [opt] }), 99),
  );
  expect(query).toMatchObject({ id: 99, flag_rd: true, questions: [{ name: 'Api.test', type: 'AAAA' }] });
  expect(query.additionals).toMatchObject([
    { type: 'OPT', udpPayloadSize: 1232, flag_do: true, options: [] },
  ]);
});

test('service bindings, other classes and addresses outside of the answer are left out', () => {
  const ours = question();
  const reply = encode({
    ...{ type: 'response', id: 1, questions: [{ type: 'A', name: 'Api.test' }] },
    answers: [
      ADDRESS,
      { type: 'UNKNOWN_65' as 'A', name: 'Api.test', data: Buffer.from('00010000', 'hex') as never },
      { ...ADDRESS, class: 'CH' },
      { ...ADDRESS, flush: true },
    ],
    authorities: [{ ...ADDRESS, data: '10.0.0.1' }],
    additionals: [{ ...ADDRESS, data: '10.0.0.2' }],
  });
  const told = readReply(reply, queryFor(ours, 1), ours);
  if (told.is !== 'reply') throw new Error(told.is);
  const answer = decode(answerTo(ours, told.reply, 512));
  expect(answer).toMatchObject({
    id: 4711,
    answers: [{ data: '93.184.215.14' }],
    authorities: [],
    additionals: [],
  });
  expect(answer.answers).toHaveLength(1);
  expect(answer.questions).toMatchObject([{ name: 'Api.test' }]);
});

test('an answer longer than the asker takes is cut and says so', () => {
  const answers = Array.from({ length: 60 }, (_, at) => ({ ...ADDRESS, data: `93.184.215.${at}` }));
  const reply = { code: 0, answers, authorities: [] };
  const short = answerTo(question(), reply, 512);
  expect(short.length).toBeLessThanOrEqual(512);
  expect(decode(short)).toMatchObject({ flag_tc: true });
  expect(decode(short).answers?.length).toBeGreaterThan(5);
  expect(decode(answerTo(question(), reply, 65_535))).toMatchObject({ flag_tc: false });
});
