import { readIfThere } from '../host/files.ts';
import { volumeId, volumeKeyOf } from '../machine/ids.ts';
import type { VolumeKey } from '../machine/ids.ts';
import { isObject } from './checks.ts';
import { directoriesIn } from './records.ts';
import type { StoredVolume } from './volumes.ts';

export type LoadedVolumes = {
  readonly volumes: readonly StoredVolume[];
  readonly problems: readonly VolumeProblem[];
};

/** A directory that cannot be used; `key` when it can be told whose it is. */
export type VolumeProblem = {
  readonly directory: string;
  readonly message: string;
  readonly key?: VolumeKey;
};

/** Every `volume.json`. Of two with one name the older stays in force and the other is reported. */
export async function loadVolumes(parent: string): Promise<LoadedVolumes> {
  const found: StoredVolume[] = [];
  const problems: VolumeProblem[] = [];
  for (const name of await directoriesIn(parent)) {
    if (name.startsWith('.')) continue;
    const text = (await readIfThere(`${parent}/${name}/volume.json`)) ?? '';
    const volume = storedVolumeIn(text, name);
    if (volume !== undefined) found.push(volume);
    else problems.push(problemOf(`${parent}/${name}`, 'its volume.json cannot be read', keyIn(text)));
  }
  const byAge = found.sort((one, other) => one.createdAt - other.createdAt);
  const volumes = byAge.filter((one, at) => byAge.findIndex(({ key }) => key === one.key) === at);
  for (const { id, key } of byAge.filter((one) => !volumes.includes(one)))
    problems.push(problemOf(`${parent}/${id}`, `another one is the volume ${key} already`, key));
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
  const { createdAt, reclaimPolicy } = value;
  const key = keyOf(value);
  if (typeof createdAt !== 'number' || key === undefined) return undefined;
  return {
    version: 1,
    id: volumeId(directoryName),
    key,
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

/** Whose a volume is, as far as the text tells. */
function keyIn(text: string): VolumeKey | undefined {
  const value = parsed(text);
  return isObject(value) ? keyOf(value) : undefined;
}

function keyOf({ key }: Readonly<Record<string, unknown>>): VolumeKey | undefined {
  const [, namespace, name] = KEY.exec(typeof key === 'string' ? key : '') ?? [];
  return namespace === undefined || name === undefined ? undefined : volumeKeyOf(namespace, name);
}

function problemOf(directory: string, why: string, key: VolumeKey | undefined): VolumeProblem {
  return {
    directory,
    message: `${directory} is not used, because ${why}; its files are kept: repair it and start the controller again, or remove the directory`,
    ...(key === undefined ? {} : { key }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
