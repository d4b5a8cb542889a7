import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { figureOf, quantileOf } from '../figures.ts';
import { createInstance, insist, instancesIn, listInstances, now } from './fleet.ts';
import { askAll, delays, timesIn } from './stand.ts';
import type { Stand } from './stand.ts';

const ROTATIONS = 100;
const SECRETS = '/api/v1/namespaces/rotated/secrets';
const INSTANCES = instancesIn('rotated');

/** Secrets are edited one after the other; each is in the proxy's hands when the policy is put anew. */
export async function rotate(stand: Stand): Promise<readonly Figure[]> {
  const { plane, nodes, say } = stand;
  const names = Array.from({ length: ROTATIONS }, (_, index) => `rotated-${index}`);
  for (const [index, name] of names.entries()) {
    const body = { metadata: { name }, stringData: { TOKEN: 'first' } };
    await insist(plane.admin, { method: 'POST', path: SECRETS, body });
    await createInstance(plane.admin, INSTANCES, name, mediatedBy(name, nodes[index % nodes.length] ?? ''));
  }
  await untilSynced(stand);
  say(`${ROTATIONS} instances with credentials are in the hands of their proxies`);
  await askAll(stand, 'forget');
  const editedAt = new Map<string, number>();
  for (const name of names) {
    editedAt.set(name, now());
    const patch = 'application/merge-patch+json';
    await insist(plane.admin, {
      method: 'PATCH',
      path: `${SECRETS}/${name}`,
      patch,
      body: { stringData: { TOKEN: 'second' } },
    });
    await sleep(25);
  }
  await sleep(5_000);
  const took = delays(editedAt, timesIn(await askAll(stand), 'rotatedAt'));
  const p99 = quantileOf(took, 0.99);
  return [
    figureOf('Secret edits that became rotations', took.length, '', {
      aim: `= ${ROTATIONS}`,
      met: took.length === ROTATIONS,
    }),
    figureOf('Secret edit to rotation, p50', quantileOf(took, 0.5), 'ms'),
    figureOf('Secret edit to rotation, p99', p99, 'ms', { aim: '< 1000', met: p99 < 1_000 }),
  ];
}

function mediatedBy(secret: string, nodeName: string): Readonly<Record<string, unknown>> {
  return {
    ...{ image: 'docker.io/library/nginx:1.29', nodeName },
    network: { enabled: true, egress: { enabled: true } },
    envFrom: [{ secretRef: { name: secret } }],
    credentials: {
      TOKEN: {
        source: { env: 'TOKEN' },
        inject: [{ hosts: ['api.example.com'], as: { header: 'Authorization', format: 'Bearer ${value}' } }],
      },
    },
  };
}

/** Not until they are ready: no fake guest installs a certificate, and the proxy does not wait for that. */
async function untilSynced({ plane }: Stand): Promise<void> {
  for (let left = 240; left > 0; left -= 1) {
    const synced = (await listInstances(plane.admin, INSTANCES)).filter(({ isSynced }) => isSynced);
    if (synced.length === ROTATIONS) return;
    await sleep(250);
  }
}
