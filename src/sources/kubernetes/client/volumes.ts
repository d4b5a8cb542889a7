import { listOf, mappingOf, textAt, valueAt } from '../../../api/raw.ts';
import type { ReportedVolume } from '../../../api/reported-volume.ts';
import { nameOf, namespaceOf } from '../../../machine/ids.ts';
import { VOLUMES } from '../held-kind.ts';
import { objectIn } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { listAll } from './instances.ts';
import type { Asked } from './instances.ts';

/** Of every namespace. Throws what the server refused. */
export async function listVolumes(asked: Asked): Promise<readonly ReportedVolume[]> {
  const items = await listAll(asked, VOLUMES, 'list Volumes');
  return items.flatMap((item) => {
    const object = objectIn(item);
    return object === undefined ? [] : [volumeIn(object)];
  });
}

/** As its node told of it; one that no node has is as declared. */
function volumeIn({ key, document }: KubernetesObject): ReportedVolume {
  const status = mappingOf(document.status);
  const spec = mappingOf(document.spec);
  const size = textAt(status, ['size']) ?? String(spec.size);
  const texts = { createdAt: textAt(status, ['createdAt']), image: textAt(status, ['image']) };
  const message = textAt(status, ['message']) ?? nobodyOf(status);
  return {
    ...{ namespace: namespaceOf(key), name: nameOf(key), size },
    usedBy: listOf(status.usedBy).map(String),
    reclaimPolicy: spec.reclaimPolicy === 'Delete' ? 'Delete' : 'Retain',
    ...(texts.createdAt === undefined ? {} : { createdAt: texts.createdAt }),
    ...(texts.image === undefined ? {} : { image: texts.image }),
    state: stateIn(status),
    ...(message === undefined ? {} : { message }),
  };
}

function nobodyOf(status: unknown): string | undefined {
  return valueAt(status, ['state']) === undefined ? 'no instance has mounted it yet' : undefined;
}

const STATES: readonly ReportedVolume['state'][] = [
  ...(['Pending', 'Filling', 'Failed', 'Available', 'InUse', 'Retained'] as const),
];

function stateIn(status: unknown): ReportedVolume['state'] {
  const state = textAt(status, ['state']);
  return STATES.find((one) => one === state) ?? 'Pending';
}
