import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { readClientHello } from '../../../../src/egress/proxy/client-hello.ts';

let hello: Buffer;

beforeAll(async () => {
  hello = await firstFlight('api.openai.com', ['h2', 'http/1.1']);
});

/** What OpenSSL says first. */
function firstFlight(servername: string, protocols: string[]): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      resolve(chunk);
      done();
    },
  });
  connect({ socket, servername, ALPNProtocols: protocols }).on('error', () => undefined);
  return promise;
}

test('the name and the protocols of a real client are read', () => {
  expect(readClientHello(hello)).toEqual({
    is: 'hello',
    serverName: 'api.openai.com',
    protocols: ['h2', 'http/1.1'],
  });
});

test('row 59: every beginning of it is incomplete, never something else', () => {
  for (let length = 0; length < hello.length; length += 1)
    expect(readClientHello(hello.subarray(0, length))).toEqual({ is: 'incomplete' });
});

test('row 59: it may be cut into records of any size', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }), (sizes) => {
      const body = hello.subarray(5);
      const records: Buffer[] = [];
      for (let at = 0, turn = 0; at < body.length; turn += 1) {
        const part = body.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
        records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
        at += part.length;
      }
      expect(readClientHello(Buffer.concat(records))).toMatchObject({ serverName: 'api.openai.com' });
    }),
  );
});

test('a byte that is changed is never more than another hello', () => {
  fc.assert(
    fc.property(fc.nat({ max: hello.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
      const changed = Buffer.from(hello);
      changed[at] = value;
      expect(['hello', 'malformed', 'incomplete']).toContain(readClientHello(changed).is);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  'SSH-2.0-OpenSSH\r\n',
  'GET / HTTP/1.1\r\n',
  '\x15\x03\x01\x00\x02\x01\x00',
  '\x16\x02\x00\x00\x05',
])('row 23: %j is not one', (bytes) => {
  expect(readClientHello(Buffer.from(bytes, 'latin1'))).toEqual({ is: 'malformed' });
});

test('two server names are not one', () => {
  const name = hello.indexOf('api.openai.com');
  // The extension from its type on: 2 type, 2 length, 2 list length, 1 kind, 2 name length.
  const extension = hello.subarray(name - 9, name + 14);
  const message = Buffer.concat([hello.subarray(5), extension]);
  const lengths = { message: hello.readUIntBE(6, 3), extensions: hello.indexOf(extension) };
  expect(lengths.extensions).toBeGreaterThan(0);
  // Only when the lengths that enclose it are right would the second be seen: rebuilt from the end.
  const at = offsetOfExtensions(hello) - 5;
  message.writeUIntBE(lengths.message + extension.length, 1, 3);
  message.writeUInt16BE(message.readUInt16BE(at) + extension.length, at);
  const record = Buffer.concat([Buffer.from([22, 3, 1, message.length >> 8, message.length & 255]), message]);
  expect(readClientHello(record)).toEqual({ is: 'malformed' });
});

function offsetOfExtensions(bytes: Buffer): number {
  let at = 5 + 4 + 34;
  at += 1 + bytes.readUInt8(at);
  at += 2 + bytes.readUInt16BE(at);
  return at + 1 + bytes.readUInt8(at);
}

test('row 68: with Encrypted Client Hello only the outer name is read, so only its grants could be used', () => {
  const secret = Buffer.alloc(180, 7);
  const extension = Buffer.concat([Buffer.from('fe0d00b4', 'hex'), secret]);
  const longer = Buffer.concat([hello, extension]);
  // The record's length, the handshake's, and that of the extensions, which are its last field.
  longer.writeUInt16BE(longer.readUInt16BE(3) + extension.length, 3);
  longer.writeUIntBE(longer.readUIntBE(6, 3) + extension.length, 6, 3);
  const at = extensionsAt(hello);
  longer.writeUInt16BE(longer.readUInt16BE(at) + extension.length, at);
  expect(readClientHello(longer)).toMatchObject({ is: 'hello', serverName: 'api.openai.com' });
});

/** Behind record and handshake header, version and random: session id, cipher suites, compression methods. */
function extensionsAt(bytes: Buffer): number {
  const suites = 43 + 1 + bytes.readUInt8(43);
  const methods = suites + 2 + bytes.readUInt16BE(suites);
  return methods + 1 + bytes.readUInt8(methods);
}
