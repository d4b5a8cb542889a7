import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openParser } from '../../src/api/parser.ts';
import type { Logger } from '../../src/log.ts';
import { openLog } from '../../src/log.ts';
import { keyOf } from '../../src/machine/ids.ts';
import type { InstanceKey } from '../../src/machine/ids.ts';
import { readCrd, readVolumeCrd } from '../../src/sources/crd.ts';
import { openDirectorySource } from '../../src/sources/directory/open-directory-source.ts';
import type { DirectorySourceOptions } from '../../src/sources/directory/open-directory-source.ts';
import type { Timing } from '../../src/sources/directory/timing.ts';
import type { Declared, Source } from '../../src/sources/source.ts';

/** Short enough for a test, long enough that an editor's save on a busy machine fits in the grace. */
export const QUICK: Partial<Timing> = {
  graceMs: 250,
  returnGraceMs: 400,
  lostPollMs: 50,
  identityMs: 100,
  retryMs: 50,
};

/** A watched directory and a state directory of their own, and sources over them, one after the other. */
export type DeclaredDirectory = {
  readonly base: string;
  readonly watch: string;
  readonly state: string;
  readonly notified: InstanceKey[];
  source(): Source;
  open(options?: Partial<DirectorySourceOptions>): Promise<Source>;
  close(): Promise<void>;
  write(file: string, text: string): Promise<void>;
  declared(name: string): Declared;
  /** Waits until the declaration answers so. */
  until(name: string, is: (declared: Declared) => boolean, what?: string): Promise<Declared>;
  remove(): Promise<void>;
};

export async function declaredDirectory(): Promise<DeclaredDirectory> {
  const base = await mkdtemp(join(tmpdir(), 'hypeman-sources-'));
  const watch = `${base}/instances`;
  const state = `${base}/state`;
  await mkdir(watch);
  const parser = openParser(await readCrd(), { volumes: await readVolumeCrd() });
  let source: Source | undefined;
  const notified: InstanceKey[] = [];
  const current = (): Source => {
    if (source === undefined) throw new Error('no source is open');
    return source;
  };
  const close = async (): Promise<void> => {
    await source?.close();
    source = undefined;
  };
  const declared = (name: string): Declared => current().declared(keyOf('default', name));
  return {
    ...{ base, watch, state, notified, source: current, close, declared },
    open: async (options = {}) => {
      await close();
      const roots = { state, run: `${base}/run` };
      const log: Logger = openLog('silent');
      const defaults = { directories: [watch], roots, parser, log, pruneAll: false, timing: QUICK };
      source = await openDirectorySource({ ...defaults, ...options });
      await source.start((key) => notified.push(key));
      return source;
    },
    write: async (file, text) => {
      await mkdir(dirname(`${watch}/${file}`), { recursive: true });
      await writeFile(`${watch}/${file}`, text);
    },
    until: async (name, is, what = 'awaited') => {
      const deadline = Date.now() + 8_000;
      while (!is(declared(name))) {
        if (Date.now() > deadline)
          throw new Error(`${name} was never ${what}: ${JSON.stringify(declared(name))}`);
        await pause(10);
      }
      return declared(name);
    },
    remove: async () => {
      await close();
      await rm(base, { recursive: true, force: true });
    },
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Long enough for anything that is still to come. */
export function graceTwice(): Promise<void> {
  return pause(2 * (QUICK.graceMs ?? 0) + 100);
}

export function instanceYaml(name: string, spec: Readonly<Record<string, unknown>> = {}): string {
  const lines = Object.entries({ image: 'docker.io/library/demo:1', ...spec });
  return [
    'apiVersion: hypeman.dev/v1alpha1',
    'kind: Instance',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    ...lines.map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`),
    '',
  ].join('\n');
}

export function isGone({ is }: Declared): boolean {
  return is === 'gone';
}

export function isSound(declared: Declared): boolean {
  return declared.is === 'wanted' && declared.refused === undefined;
}

export function isRefused(declared: Declared): boolean {
  return declared.is !== 'gone' && declared.refused !== undefined;
}

export function vcpusOf(declared: Declared): number | undefined {
  return declared.is === 'wanted' ? declared.instance.spec.vcpus : undefined;
}

export function refusalOf(declared: Declared): string {
  return declared.is === 'gone' ? '' : (declared.refused?.message ?? '');
}

export function uidOf(declared: Declared): string {
  return declared.is === 'gone' ? '' : declared.uid;
}
