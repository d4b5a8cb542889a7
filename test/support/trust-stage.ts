import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { bootConfig } from '../../src/guest/boot-config.ts';
import { commandOutput, runCommand } from '../../src/host/exec.ts';
import type { Authority } from '../../src/machine/egress.ts';
import { instanceId } from '../../src/machine/ids.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { put } from './image-root.ts';
import { makeCa } from './test-ca.ts';
import type { TestCa } from './test-ca.ts';

const HARNESS = new URL('../host/guest/trust-install.c', import.meta.url).pathname;
const INIT = new URL('../../src/guest/init', import.meta.url).pathname;

/** Init's way with an image's stores, compiled with the sanitizers, and an empty root for each test. */
export type TrustStage = {
  readonly directory: string;
  readonly program: string;
  /** Of the test that runs now. */
  readonly root: string;
  readonly ours: TestCa;
  /** Another one for the same instance. */
  readonly later: TestCa;
  /** What the image trusts by itself. */
  readonly web: TestCa;
  /** One start of init; what it says: its notes, then trust, fingerprint and message. */
  start(authority: Authority | undefined, env?: Readonly<Record<string, string>>): Promise<string>;
  /** What openssl, looking from inside the root, says of a leaf with these stores; undefined is "verified". */
  verdict(ca: TestCa, ...stores: readonly string[]): Promise<string | undefined>;
};

/** Called once by a test file; its values are there in its tests. */
export function trustStage(): TrustStage {
  const stage = {} as { -readonly [Key in keyof TrustStage]: TrustStage[Key] };
  let roots = 0;
  beforeAll(async () => {
    stage.directory = await mkdtemp(join(tmpdir(), 'hypeman-trust-'));
    stage.program = await compiled(stage.directory);
    [stage.ours, stage.later, stage.web] = await Promise.all([
      makeCa('/O=hypeman egress/CN=one'),
      makeCa('/O=hypeman egress/CN=two'),
      makeCa('/O=The  Public /CN=Räte der Stadt'),
    ]);
  });
  afterAll(async () => {
    await rm(stage.directory, { recursive: true });
  });
  beforeEach(async () => {
    roots += 1;
    stage.root = join(stage.directory, `root${roots}`);
    await mkdir(stage.root);
  });
  stage.start = async (authority, env = {}) => {
    const config = join(stage.directory, 'boot.conf');
    await writeFile(config, configOf(authority, env));
    return commandOutput(stage.program, ['install', stage.root, config]);
  };
  stage.verdict = async (ca, ...stores) => {
    await put(stage.root, 'leaf.pem', ca.leaf);
    const verify = ['/usr/bin/openssl', 'verify', '-x509_strict', ...stores, '/leaf.pem'];
    const { exitCode, stderr } = await runCommand('chroot', [stage.root, ...verify]);
    return exitCode === 0 ? undefined : stderr;
  };
  return stage;
}

async function compiled(directory: string): Promise<string> {
  const program = join(directory, 'trust');
  const names = ['anchors', 'authority', 'boot', 'bundle', 'java-store', 'pem', 'place', 'records', 'sha1'];
  const sources = [...names, 'trust'].map((name) => join(INIT, `${name}.c`));
  const flags = ['-g', '-O1', '-D_GNU_SOURCE', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  await commandOutput('gcc', [...flags, '-o', program, HARNESS, ...sources]);
  return program;
}

function configOf(authority: Authority | undefined, env: Readonly<Record<string, string>>): Buffer {
  const boot = {
    ...{ id: instanceId('one'), hostname: 'web', argv: ['run'], imageEnv: {}, workdir: '/', user: '' },
    ...{ stopSignal: 'SIGTERM', agent: true },
    ...(authority === undefined
      ? {}
      : { egress: { proxy: 'http://p:3128', noProxy: 'localhost', authority } }),
  };
  const secrets = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, new Secret(value)]));
  return bootConfig(boot, secrets);
}

export const installed = ({ authority }: TestCa): string => `2|${authority.fingerprint}|`;
export const failed = ({ authority }: TestCa, message: string): string =>
  `3|${authority.fingerprint}|${message}`;
