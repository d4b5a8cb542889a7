import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostResolvers, isUsableResolver, nameserversIn } from '../../../src/network/resolvers.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'resolvers-'));
});

afterEach(() => rm(directory, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

test('name servers are read in their order, each once', () => {
  const text =
    'search example.org\n# nameserver 1.1.1.1\nnameserver  9.9.9.9 \n\tnameserver 8.8.8.8\nnameserver 9.9.9.9\n';
  expect(nameserversIn(text)).toEqual(['9.9.9.9', '8.8.8.8']);
});

test.each([
  '127.0.0.53',
  '127.0.0.1',
  '0.0.0.0',
  '::1',
  '2001:db8::53',
  '224.0.0.251',
  '255.255.255.255',
  'dns',
  '',
])('a guest cannot be sent to %j', (address) => {
  expect(isUsableResolver(address)).toBe(false);
});

test.each(['9.9.9.9', '10.0.0.1', '192.168.1.1', '169.254.169.253', '223.5.5.5'])(
  'a guest can be sent to %s',
  (address) => {
    expect(isUsableResolver(address)).toBe(true);
  },
);

test('behind a stub, the resolvers of the stub count', async () => {
  const stub = await file('stub', 'nameserver 127.0.0.53\noptions edns0\n');
  const real = await file('real', 'nameserver fd00::1\nnameserver 192.168.1.1\n');
  expect(await hostResolvers([stub, real])).toEqual(['192.168.1.1']);
});

test('no file and no usable server are no resolver', async () => {
  expect(await hostResolvers([join(directory, 'none'), await file('v6', 'nameserver fd00::1\n')])).toEqual(
    [],
  );
});
