/** What a TLS client says before anything is encrypted (RFC 8446 section 4.1.2). */
export type ClientHello =
  | { readonly is: 'incomplete' }
  | { readonly is: 'malformed' }
  | {
      readonly is: 'hello';
      /** As sent, not yet canonical; undefined when the client named no host. */
      readonly serverName: string | undefined;
      readonly protocols: readonly string[];
    };

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
/** RFC 8446 section 5.1: a record's payload is at most 2^14 bytes. */
const LONGEST_RECORD = 16_384;

/**
 * Reads a ClientHello that may come in many records and segments. Post-quantum key shares make it longer
 * than one segment, and clients are free to put the name last.
 */
export function readClientHello(bytes: Buffer): ClientHello {
  const message = handshakeBytes(bytes);
  if (message === undefined) return { is: 'malformed' };
  if (message.length > 0 && message[0] !== CLIENT_HELLO) return { is: 'malformed' };
  if (message.length < 4) return { is: 'incomplete' };
  const length = message.readUIntBE(1, 3);
  if (length > LONGEST_RECORD) return { is: 'malformed' };
  if (message.length < 4 + length) return { is: 'incomplete' };
  try {
    return readBody(message.subarray(4, 4 + length));
  } catch {
    // A length inside points past the end.
    return { is: 'malformed' };
  }
}

/** The payloads of the handshake records that are there so far; undefined when it is something else. */
function handshakeBytes(bytes: Buffer): Buffer | undefined {
  const payloads: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE || (at + 1 < bytes.length && bytes[at + 1] !== 3)) return undefined;
    if (at + 5 > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > LONGEST_RECORD) return undefined;
    payloads.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return Buffer.concat(payloads);
}

function readBody(body: Buffer): ClientHello {
  // Version and random, then session id, cipher suites, compression methods.
  let at = 34;
  at += 1 + body.readUInt8(at);
  at += 2 + body.readUInt16BE(at);
  at += 1 + body.readUInt8(at);
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  for (const [type, content] of at === body.length ? [] : extensionsOf(vector(body, at))) {
    if (type === SERVER_NAME) serverName = readServerName(content);
    if (type === ALPN) protocols = readProtocols(vector(content, 0));
  }
  return { is: 'hello', serverName, protocols };
}

function* extensionsOf(list: Buffer): Generator<readonly [number, Buffer]> {
  const seen = new Set<number>();
  for (let at = 0; at < list.length;) {
    const type = list.readUInt16BE(at);
    const content = vector(list, at + 2);
    // Two of one type are an error (RFC 8446 section 4.2): which one would the server take?
    if (seen.has(type)) throw new RangeError('duplicate extension');
    seen.add(type);
    yield [type, content];
    at += 4 + content.length;
  }
}

/** RFC 6066 section 3: one entry of type host_name. */
function readServerName(content: Buffer): string {
  const list = vector(content, 0);
  const name = vector(list, 1);
  if (list.readUInt8(0) !== 0 || list.length !== 3 + name.length) throw new RangeError('server name');
  return name.toString('latin1');
}

function readProtocols(list: Buffer): readonly string[] {
  const protocols: string[] = [];
  for (let at = 0; at < list.length;) {
    const length = list.readUInt8(at);
    protocols.push(list.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return protocols;
}

/** The bytes after a two-byte length. */
function vector(bytes: Buffer, at: number): Buffer {
  const length = bytes.readUInt16BE(at);
  if (at + 2 + length > bytes.length) throw new RangeError('vector');
  return bytes.subarray(at + 2, at + 2 + length);
}
