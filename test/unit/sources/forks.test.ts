import { afterEach, beforeEach, expect, test } from 'vitest';
import { openParser } from '../../../src/api/parser.ts';
import { inheritedDeclarations } from '../../../src/inherited-declarations.ts';
import type { InheritedDeclarations } from '../../../src/inherited-declarations.ts';
import { openLog } from '../../../src/log.ts';
import { keyOf } from '../../../src/machine/ids.ts';
import type { InstanceKey } from '../../../src/machine/ids.ts';
import { openDirectorySource } from '../../../src/sources/directory/open-directory-source.ts';
import { openStorage } from '../../../src/storage/open-storage.ts';
import type { Storage } from '../../../src/storage/storage.ts';
import { declaredDirectory, pause, QUICK } from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';
import { instanceCrd } from '../../support/instance-crd.ts';
import { freshRecord } from '../../support/records.ts';

const BASE = keyOf('default', 'base');
const COPY = keyOf('default', 'copy');

const SECRET = (value: string): string => `
apiVersion: v1
kind: Secret
metadata: { name: app }
stringData: { TOKEN: ${value}, PORT: "80" }
`;

const SOURCE = (vcpus: number): string => `
apiVersion: hypeman.dev/v1alpha1
kind: Instance
metadata: { name: base }
spec:
  image: docker.io/library/nginx:1.29
  vcpus: ${vcpus}
  envFrom: [{ secretRef: { name: app } }]
  network: { egress: { enabled: true } }
  credentials:
    TOKEN:
      source: { env: TOKEN }
      inject: [{ hosts: [api.example.com], as: { header: Authorization, format: 'Bearer \${value}' } }]
`;

const FORK = `
apiVersion: hypeman.dev/v1alpha1
kind: Instance
metadata: { name: copy }
spec:
  forkFrom: { instance: base }
  env: { NAME: copy }
`;

let directory: DeclaredDirectory;
let storage: Storage;
let inherited: InheritedDeclarations;
let notified: InstanceKey[];

beforeEach(async () => {
  directory = await declaredDirectory();
  await directory.write('secret.yaml', SECRET('real'));
  await directory.write('base.yaml', SOURCE(4));
  await directory.write('copy.yaml', FORK);
  storage = await openStorage({ roots: { state: directory.state, run: directory.state } });
  notified = [];
});
afterEach(async () => {
  await inherited.source.close();
  await directory.remove();
});

async function open(): Promise<void> {
  const source = await openDirectorySource({
    directories: [directory.watch],
    roots: { state: directory.state, run: directory.state },
    parser: openParser(instanceCrd(), { unsupported: [] }),
    ...{ log: openLog('silent'), pruneAll: false, timing: QUICK },
  });
  inherited = inheritedDeclarations(source, storage);
  await inherited.source.start((key) => notified.push(key));
}

async function valuesOf(key: InstanceKey): Promise<Readonly<Record<string, string>>> {
  const environment = await inherited.source.environmentOf(key);
  if (environment.is === 'missing') throw new Error(environment.message);
  return Object.fromEntries(
    Object.entries(environment.values).map(([name, value]) => [name, value.reveal()]),
  );
}

function vcpusOf(key: InstanceKey): number | undefined {
  const declared = inherited.source.declared(key);
  return declared.is === 'wanted' ? declared.instance.spec.vcpus : undefined;
}

async function forked(): Promise<void> {
  const declared = inherited.source.declared(COPY);
  const left = await inherited.inheritanceFrom(BASE, 'Running');
  if (declared.is !== 'wanted' || left.is === 'missing') throw new Error('there is nothing to fork');
  const record = freshRecord('copy', { uid: declared.uid, fork: { instance: BASE } });
  await storage.writeRecord(record);
  await storage.keepInheritance(COPY, left.inheritance);
  await storage.writeRecord({ ...record, fork: { instance: BASE, source: record.identity.id } });
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 8_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it never came to be so');
    await pause(10);
  }
}

test('an edit of a file, or of a Secret, reaches a fork until it is made; after that the Secret alone', async () => {
  await open();
  expect(vcpusOf(COPY)).toBe(4);
  await directory.write('base.yaml', SOURCE(5));
  await until(() => notified.includes(COPY));
  expect(vcpusOf(COPY)).toBe(5);
  await forked();
  notified.length = 0;
  await directory.write('base.yaml', SOURCE(6));
  await directory.write('secret.yaml', SECRET('rotated'));
  await until(async () => notified.includes(COPY) && (await valuesOf(COPY)).TOKEN === 'rotated');
  await until(() => vcpusOf(BASE) === 6);
  expect(vcpusOf(COPY)).toBe(5);
  expect(await valuesOf(COPY)).toEqual({ NAME: 'copy', PORT: '80', TOKEN: 'rotated' });
});

test('a fork that was made is what it was when the controller starts again and its source is gone', async () => {
  await open();
  await forked();
  await inherited.source.close();
  await directory.write('base.yaml', '# gone');
  storage = await openStorage({ roots: { state: directory.state, run: directory.state } });
  await open();
  await until(() => inherited.source.declared(BASE).is === 'gone');
  expect(vcpusOf(COPY)).toBe(4);
  expect(await valuesOf(COPY)).toEqual({ NAME: 'copy', PORT: '80' });
});
