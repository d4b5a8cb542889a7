import { createId } from '@paralleldrive/cuid2';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { openParser } from '../../src/api/parser.ts';
import { lateBells, openController } from '../../src/controller.ts';
import { inheritedDeclarations } from '../../src/inherited-declarations.ts';
import { openLog } from '../../src/log.ts';
import { instanceId, keyOf } from '../../src/machine/ids.ts';
import { isRunOpen } from '../../src/machine/record.ts';
import { openDirectorySource } from '../../src/sources/directory/open-directory-source.ts';
import { openFakeWorkshops } from '../support/fake-workshops.ts';
import { instanceCrd, volumeCrd } from '../support/instance-crd.ts';

const VOLUME = `apiVersion: hypeman.dev/v1alpha1
kind: Volume
metadata: { name: data }
spec: { size: 16MB }
`;

function mounting(name: string, state: string): string {
  return `apiVersion: hypeman.dev/v1alpha1
kind: Instance
metadata: { name: ${name} }
spec:
  image: docker.io/library/web:1
  state: ${state}
  volumes: [{ volume: data, mountPath: /data }]
`;
}

/** A controller over files, with a fake hypervisor; what is looked at by the clock alone is not waited for here. */
test('an instance that waits for a volume has it as soon as its user lets go of it, or is deleted', async () => {
  const base = await mkdtemp(`${tmpdir()}/hypeman-waiters-`);
  const roots = { state: `${base}/state`, run: `${base}/run` };
  const watch = `${base}/instances`;
  await mkdir(watch);
  const declare = (name: string, text: string): Promise<void> => writeFile(`${watch}/${name}.yaml`, text);
  const log = openLog('silent');
  const parser = openParser(instanceCrd(), { volumes: volumeCrd() });
  const source = await openDirectorySource({ directories: [watch], roots, parser, log, pruneAll: false });
  const ring = lateBells();
  const workshops = await openFakeWorkshops({ roots, nodeName: 'node', onChange: ring.bells.instance });
  const settings = { concurrency: 4, newId: () => instanceId(createId()) };
  const controller = openController(
    { workshops, ...inheritedDeclarations(source, workshops.storage), ring },
    settings,
    log,
  );
  const hasRun = (name: string): boolean => {
    const record = workshops.storage.recordOf(keyOf('default', name));
    return record !== undefined && isRunOpen(record);
  };
  const until = (name: string): Promise<void> =>
    expect.poll(() => hasRun(name), { timeout: 8_000, interval: 20 }).toBe(true);
  try {
    await declare('data', VOLUME);
    await declare('one', mounting('one', 'Running'));
    await controller.start();
    await until('one');
    await declare('two', mounting('two', 'Running'));
    await declare('three', mounting('three', 'Running'));
    await expect.poll(() => workshops.storage.records().length, { timeout: 8_000, interval: 20 }).toBe(3);
    expect([hasRun('two'), hasRun('three')]).toEqual([false, false]);
    await declare('one', mounting('one', 'Stopped'));
    await expect.poll(() => hasRun('two') || hasRun('three'), { timeout: 8_000, interval: 20 }).toBe(true);
    const [next, last] = hasRun('two') ? ['two', 'three'] : ['three', 'two'];
    expect(hasRun(last)).toBe(false);
    await rm(`${watch}/${next}.yaml`);
    await until(last);
  } finally {
    await controller.close(1_000);
    await workshops.close();
    await source.close();
    await rm(base, { recursive: true, force: true });
  }
}, 60_000);
