import { readIfThere } from '../host/files.ts';
import { volumeId, volumeKeyOf } from '../machine/ids.ts';
import { isObject } from './record-text.ts';
import { directoriesIn } from './records.ts';
import type { StoredVolume } from './volumes.ts';

export type LoadedVolumes = {
  readonly volumes: readonly StoredVolume[];
  readonly problems: readonly { readonly directory: string; readonly message: string }[];
};

/** Every `volume.json`. Of two with one name the older stays in force and the other is reported. */
export async function loadVolumes(parent: string): Promise<LoadedVolumes> {
  const found: StoredVolume[] = [];
  const problems: { directory: string; message: string }[] = [];
  for (const name of await directoriesIn(parent)) {
    if (name.startsWith('.')) continue;
    const volume = storedVolumeIn((await readIfThere(`${parent}/${name}/volume.json`)) ?? '', name);
    if (volume === undefined) problems.push(problemOf(`${parent}/${name}`, 'its volume.json cannot be read'));
    else found.push(volume);
  }
  const byAge = found.sort((one, other) => one.createdAt - other.createdAt);
  const volumes = byAge.filter((one, at) => byAge.findIndex(({ key }) => key === one.key) === at);
  for (const { id, key } of byAge.filter((one) => !volumes.includes(one)))
    problems.push(problemOf(`${parent}/${id}`, `another one is the volume ${key} already`));
  return { volumes, problems };
}

export function storedVolumeText(volume: StoredVolume): string {
  return `${JSON.stringify(volume, undefined, 2)}\n`;
}

/** A key that is not a namespace and a name would be somebody else's volume one day. */
const KEY = /^([a-z0-9][a-z0-9.-]*)\/([a-z0-9][a-z0-9-]*)$/;

function storedVolumeIn(text: string, directoryName: string): StoredVolume | undefined {
  const value = parsed(text);
  if (!isObject(value) || value.version !== 1 || value.id !== directoryName) return undefined;
  const { key, createdAt, reclaimPolicy } = value;
  const [, namespace, name] = KEY.exec(typeof key === 'string' ? key : '') ?? [];
  if (typeof createdAt !== 'number' || namespace === undefined || name === undefined) return undefined;
  return {
    version: 1,
    id: volumeId(directoryName),
    key: volumeKeyOf(namespace, name),
    createdAt,
    ...imageIn(value.image),
    // Whatever else it may say, it does not say that data may go.
    reclaimPolicy: reclaimPolicy === 'Delete' ? 'Delete' : 'Retain',
  };
}

/** Only told of: one that cannot be read keeps no data from anybody. */
function imageIn(image: unknown): Pick<StoredVolume, 'image'> {
  if (!isObject(image)) return {};
  const { reference, digest } = image;
  return typeof reference === 'string' && typeof digest === 'string' ? { image: { reference, digest } } : {};
}

function problemOf(directory: string, why: string): LoadedVolumes['problems'][number] {
  return {
    directory,
    message: `${directory} is not used, because ${why}; its files are kept: repair it, or remove the directory`,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
