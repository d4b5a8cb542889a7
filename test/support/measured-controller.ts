import { createId } from '@paralleldrive/cuid2';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { openParser } from '../../src/api/parser.ts';
import { lateBells, openController } from '../../src/controller.ts';
import { inheritedDeclarations } from '../../src/inherited-declarations.ts';
import { openLog } from '../../src/log.ts';
import { instanceId } from '../../src/machine/ids.ts';
import { openMetrics } from '../../src/serve/metrics.ts';
import type { Metrics } from '../../src/serve/metrics.ts';
import { readCrd } from '../../src/sources/crd.ts';
import { openDirectorySource } from '../../src/sources/directory/open-directory-source.ts';
import { openFakeWorkshops } from './fake-workshops.ts';
import { scriptedEgress } from './scripted-egress.ts';

const WEB = `apiVersion: hypeman.dev/v1alpha1
kind: Instance
metadata: { name: web }
spec: { image: docker.io/library/nginx:1.29 }
`;

export type MeasuredController = {
  readonly metrics: Metrics;
  /** A proxy lets one request through, and refuses another. */
  decide(): void;
  close(): Promise<void>;
};

/** With an instance that runs, a proxy that decided, and an API server that answered. */
export async function openMeasuredController(): Promise<MeasuredController> {
  const base = await mkdtemp(`${tmpdir()}/hm-measured-`);
  const roots = { state: `${base}/state`, run: `${base}/run` };
  const watch = `${base}/instances`;
  await mkdir(watch);
  await writeFile(`${watch}/web.yaml`, WEB);
  const log = openLog('silent');
  const parser = openParser(await readCrd());
  const source = await openDirectorySource({ directories: [watch], roots, parser, log, pruneAll: false });
  const ring = lateBells();
  const workshops = await openFakeWorkshops({ roots, nodeName: 'n', onChange: ring.bells.instance });
  const proxy = scriptedEgress({ idweb: 'default/web' });
  const metrics = openMetrics('1', proxy.egress);
  metrics.instancesAre(() => source.keys().flatMap((key) => source.lastStatus(key) ?? []));
  metrics.answered('GET', 200);
  const decide = (): void => {
    proxy.decide({ verdict: 'failed', reason: 'UpstreamCertificate' });
    proxy.decide();
  };
  decide();
  const settings = { concurrency: 1, metrics, newId: () => instanceId(createId()) };
  const controller = openController(
    { workshops, ...inheritedDeclarations(source, workshops.storage), ring },
    settings,
    log,
  );
  await controller.start();
  await controller.settled();
  return {
    metrics,
    decide,
    close: async () => {
      await controller.close(1_000);
      await workshops.close();
      await source.close();
      await rm(base, { recursive: true });
    },
  };
}
