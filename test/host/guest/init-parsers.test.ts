import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootConfig } from '../../../src/guest/boot-config.ts';
import { identityRecords } from '../../../src/guest/identity-records.ts';
import { encodeFrame, greetingWith, recordBytes } from '../../../src/guest/protocol.ts';
import { subjectHash } from '../../../src/guest/subject-hash.ts';
import { commandOutput } from '../../../src/host/exec.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { makeCa } from '../../support/test-ca.ts';

const here = new URL('.', import.meta.url).pathname;
const init = new URL('../../../src/guest/init', import.meta.url).pathname;
let directory: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'init-parsers-'));
  program = join(directory, 'parsers');
  const sources = ['frames.c', 'records.c', 'boot.c', 'authority.c', 'identify.c', 'words.c', 'pem.c'].map(
    (name) => join(init, name),
  );
  const flags = ['-g', '-O1', '-D_GNU_SOURCE', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  await commandOutput('gcc', [...flags, '-o', program, join(here, 'init-parsers.c'), ...sources]);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function linesOf(
  mode: string,
  bytes: Uint8Array,
  ...more: readonly string[]
): Promise<readonly string[]> {
  const path = join(directory, 'input');
  await writeFile(path, bytes);
  return (await commandOutput(program, [mode, path, ...more])).split('\n');
}

test('random bytes neither crash nor overrun init’s parsers', async () => {
  const seed = randomInt(1, 1_000_000);
  const said = await commandOutput(program, ['fuzz', String(seed), '30000']).catch((error: unknown) => {
    throw new Error(`seed ${seed}`, { cause: error });
  });
  // Without frames the deeper half of the decoder would not have been met.
  expect(Number(said.split(' ')[1])).toBeGreaterThan(100);
});

describe('init finds the beginning of a conversation', () => {
  const greeting = greetingWith(Buffer.alloc(16, 3));
  const words = Buffer.concat([encodeFrame(2, 0), encodeFrame(32, 5, Buffer.from('abc'))]);
  const heard = ['1 0 20 49', '2 0 0 0', '32 5 3 294'];

  test.each([1, 7, 4096])('in chunks of %i', async (chunk) => {
    expect(await linesOf('frames', Buffer.concat([greeting, words]), String(chunk))).toEqual([
      ...heard,
      'lost 0',
    ]);
  });

  test('after rubbish, and again when the host says hello twice', async () => {
    const bytes = Buffer.concat([Buffer.alloc(100, 9), Buffer.alloc(5), greeting, words, greeting, words]);
    expect(await linesOf('frames', bytes, '64')).toEqual([...heard, ...heard, 'lost 0']);
  });

  test('after a frame that the last host left half-written, by the second hello at the latest', async () => {
    const cut = encodeFrame(32, 5, Buffer.alloc(5000, 1)).subarray(0, 4980);
    const bytes = Buffer.concat([greeting, cut, greeting, Buffer.alloc(6000), greeting, words]);
    const lines = await linesOf('frames', bytes, '128');
    expect(lines.slice(-4, -1)).toEqual(heard);
  });

  test('a frame of more than 64 KiB is the loss of the thread, not of memory', async () => {
    const bytes = Buffer.concat([
      greeting,
      Buffer.from('ffffff0f0500000020', 'hex'),
      Buffer.alloc(99, 1),
      greeting,
      words,
    ]);
    expect(await linesOf('frames', bytes, '64')).toEqual(['1 0 20 49', ...heard, 'lost 1']);
  });
});

describe('the boot config', () => {
  const boot = {
    ...{
      id: instanceId('abc'),
      hostname: 'web',
      argv: ['run', '', 'a b'],
      imageEnv: { A: '1' },
      workdir: '/w',
    },
    ...{ user: 'ann:staff', stopSignal: 'SIGINT', agent: true },
  };

  test('is read as it was written', async () => {
    const lines = await linesOf('boot', bootConfig(boot, { B: new Secret('two=2') }));
    expect(lines).toEqual(['abc|web|/w|ann:staff|2|1', 'a run', 'a ', 'a a b', 'e A=1', 'e B=two=2']);
  });

  test('tells of the CA and of the files that the environment names', async () => {
    const { authority } = await makeCa('/CN=one');
    const egress = { proxy: 'http://10.100.0.1:3128', noProxy: 'localhost', authority };
    const env = { SSL_CERT_FILE: new Secret('/my.pem'), JAVA_HOME: new Secret('/java') };
    const lines = await linesOf('boot', bootConfig({ ...boot, egress }, env));
    expect(lines).toContain('e https_proxy=http://10.100.0.1:3128');
    expect(lines.slice(-4)).toEqual([
      'b /my.pem',
      'j /java/lib/security/cacerts',
      'j /java/jre/lib/security/cacerts',
      `${authority.fingerprint} ${subjectHash(authority.certificate)} ${authority.certificate.length}`,
    ]);
  });

  test('that was cut is refused', async () => {
    const whole = bootConfig(boot, {});
    for (const cut of [0, 1, whole.length - 1, whole.length - 2, 20])
      expect(await linesOf('boot', whole.subarray(0, cut))).toEqual(['refused']);
  });
});

describe('a new identity', () => {
  const identity = {
    hostname: 'web-2.x',
    network: { ip: '10.100.0.3', gateway: '10.100.0.1', mac: '02:68:0a:64:00:03' },
    machineId: 'ab'.repeat(16),
  };
  const refresh = { epochMs: 1_700_000_000_123.4, entropy: Buffer.from([0, 1, 0xab, 255]) };
  const records = identityRecords(instanceId('abc'), identity, refresh);
  const read = (changed: readonly (readonly [string, string])[]): Promise<readonly string[]> =>
    linesOf('identity', recordBytes(changed));
  const without = (...tags: readonly string[]): readonly (readonly [string, string])[] =>
    records.filter(([tag]) => !tags.includes(tag));

  test('is read as it was written', async () => {
    expect(await read(records)).toEqual([
      'abc|web-2.x|10.100.0.3|10.100.0.1|02:68:0a:64:00:03',
      `${'ab'.repeat(16)} 1700000000123 0001abff`,
    ]);
  });

  test('may be without a network and without a machine id', async () => {
    expect(await read(without('p', 'g', 'm', 'n'))).toEqual([
      'abc|web-2.x|-|-|-',
      '- 1700000000123 0001abff',
    ]);
  });

  test('may come with a CA, whole', async () => {
    const { authority } = await makeCa('/CN=one');
    const whole = identityRecords(instanceId('abc'), { ...identity, authority }, refresh);
    expect((await read(whole)).at(-1)).toBe(
      `${authority.fingerprint} ${subjectHash(authority.certificate)} ${authority.certificate.length}`,
    );
    expect(await read(whole.filter(([tag]) => tag !== 'k'))).toEqual(['refused']);
  });

  test.each(['i', 'h', 't', 'r', 'p', 'g', 'm'])('without %s it is none', async (tag) => {
    expect(await read(without(tag))).toEqual(['refused']);
  });

  test.each([
    ['i', 'x'.repeat(65)],
    ['i', 'a b'],
    ['h', ''],
    ['h', 'a/b'],
    ['p', '10.100.0.256'],
    ['g', '10.100.0.1/24'],
    ['m', '02:68:0A:64:00:03'],
    ['m', '02-68-0a-64-00-03'],
    ['n', 'ab'],
    ['n', 'AB'.repeat(16)],
    ['t', '-1'],
    ['t', '253402300800000'],
    ['r', ''],
    ['r', 'abc'],
    ['r', 'ab'.repeat(513)],
    ['r', 'zz'],
    ['?', 'what'],
  ])('with %s%s it is none', async (tag, value) => {
    expect(await read([...without(tag), [tag, value]])).toEqual(['refused']);
  });
});

describe('the words of a file', () => {
  const replaced = async (text: string): Promise<string> =>
    (await linesOf('words', Buffer.from(text), 'old', 'new-name', '10.0.0.2', '10.0.0.33')).join('\n');

  test.each([
    ['10.0.0.2 old', '10.0.0.33 new-name'],
    ['10.0.0.2\told  older old', '10.0.0.33\tnew-name  older new-name'],
    ['# said old\n10.0.0.20 cold', '# said new-name\n10.0.0.20 cold'],
  ])('%j becomes %j', async (before, after) => {
    expect(await replaced(before)).toBe(after);
  });

  test('are left alone when none is meant, and where there is no room for the new ones', async () => {
    expect(await replaced('127.0.0.1 localhost')).toBe('unchanged');
    expect(await replaced('old '.repeat(20_000))).toBe('unchanged');
  });
});
