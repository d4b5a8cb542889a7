import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { figureOf, quantileOf } from '../figures.ts';
import { createInstance, insist, isAtRest, listInstances, now } from './fleet.ts';
import { askAll, delays, timesIn } from './stand.ts';
import type { Stand } from './stand.ts';

const ROTATIONS = 100;
const SECRETS = '/api/v1/namespaces/fleet/secrets';

/** Secrets are edited one after the other; each is in the proxy's hands when the policy is put anew. */
export async function rotate(stand: Stand): Promise<readonly Figure[]> {
  const { plane, path, nodes, say } = stand;
  const names = Array.from({ length: ROTATIONS }, (_, index) => `rotated-${index}`);
  for (const [index, name] of names.entries()) {
    const body = { metadata: { name }, stringData: { TOKEN: 'first' } };
    await insist(plane.admin, { method: 'POST', path: SECRETS, body });
    await createInstance(plane.admin, path, name, mediatedBy(name, nodes[index % nodes.length] ?? ''));
  }
  await untilReady(stand, names);
  say(`${ROTATIONS} instances with credentials are ready`);
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

async function untilReady({ plane, path }: Stand, names: readonly string[]): Promise<void> {
  for (let left = 240; left > 0; left -= 1) {
    const ready = new Set((await listInstances(plane.admin, path)).filter(isAtRest).map(({ name }) => name));
    if (names.every((name) => ready.has(name))) return;
    await sleep(250);
  }
}
