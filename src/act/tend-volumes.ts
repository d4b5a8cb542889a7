import { quantityText } from '../api/quantity.ts';
import type { ReportedVolume } from '../api/reported-volume.ts';
import type { Volume } from '../api/volume.ts';
import { readIfThere, statIfThere, writeAtomically } from '../host/files.ts';
import { withDigest } from '../machine/image.ts';
import { nameOf, namespaceOf } from '../machine/ids.ts';
import type { VolumeKey } from '../machine/ids.ts';
import type { Roots } from '../machine/paths.ts';
import { userText, volumeReportPath, volumesDirectory } from '../machine/volume.ts';
import type { VolumeDisk } from '../machine/volume.ts';
import type { StoredVolume, Volumes } from '../storage/volumes.ts';

/** What a source says of its volumes: the words of sources/source.ts, without knowing that room. */
export type VolumeWords = {
  keys(): readonly VolumeKey[];
  declared(
    key: VolumeKey,
  ):
    | { readonly is: 'wanted'; readonly volume: Volume; readonly refused?: { readonly message: string } }
    | { readonly is: 'held'; readonly refused: { readonly message: string } }
    | { readonly is: 'barred'; readonly message: string }
    | { readonly is: 'gone'; readonly reclaimPolicy?: StoredVolume['reclaimPolicy'] };
  report?(volume: ReportedVolume): void;
  forget?(key: VolumeKey): void;
};

type Tended = { readonly volumes: Volumes; readonly words: VolumeWords; readonly roots: Roots };

/** What a round has removed, and what went wrong with single volumes. */
export type Tending = {
  readonly gone: readonly VolumeKey[];
  readonly failed: readonly { readonly key: VolumeKey; readonly error: unknown }[];
};

/**
 * Does what no instance asks for: remembers each reclaim policy, takes disks back from VMMs that are gone, removes
 * what is to be deleted and in nobody's hands, and writes what `get volumes` shows. What fails for one volume keeps
 * no other from its turn.
 */
export async function tendVolumes(tended: Tended): Promise<Tending> {
  const { volumes, words } = tended;
  const gone: VolumeKey[] = [];
  const failed: { key: VolumeKey; error: unknown }[] = [];
  for (const stored of volumes.all()) {
    try {
      if (await isTendedAway(tended, stored)) gone.push(stored.key);
    } catch (error) {
      failed.push({ key: stored.key, error });
    }
  }
  await writeReport(tended);
  for (const key of words.keys()) if (await isOver(tended, key)) words.forget?.(key);
  return { gone, failed };
}

/** Does what is due for one volume; true when that was its removal. */
async function isTendedAway({ volumes, words }: Tended, stored: StoredVolume): Promise<boolean> {
  const { key } = stored;
  const policy = policyIn(words.declared(key)) ?? stored.reclaimPolicy;
  if (policy !== stored.reclaimPolicy) await volumes.writePolicy(key, policy);
  await volumes.takeBack(key);
  const isUnwanted = words.declared(key).is === 'gone' && policy === 'Delete';
  return isUnwanted && volumes.remove(key);
}

function policyIn(declared: Said): StoredVolume['reclaimPolicy'] | undefined {
  if (declared.is === 'wanted') return declared.volume.spec.reclaimPolicy;
  return declared.is === 'gone' ? declared.reclaimPolicy : undefined;
}

/** Whether nothing of it on this host has to wait any more for the end of what was declared. */
async function isOver({ volumes, words }: Tended, key: VolumeKey): Promise<boolean> {
  if (words.declared(key).is !== 'gone' || volumes.usersOf(key).length > 0) return false;
  const stored = volumes.of(key);
  if (stored !== undefined) return stored.reclaimPolicy === 'Retain';
  return (await volumes.look(key)).state !== 'making';
}

async function writeReport({ volumes, words, roots }: Tended): Promise<void> {
  const keys = [...new Set([...volumes.all().map(({ key }) => key), ...words.keys()])].sort();
  if (keys.length === 0 && (await statIfThere(volumesDirectory(roots))) === undefined) return;
  const report = await Promise.all(keys.map((key) => reportOf(volumes, words, key)));
  for (const volume of report) words.report?.(volume);
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  const path = volumeReportPath(roots.state);
  if ((await readIfThere(path)) === text) return;
  await volumes.ensureDirectory();
  await writeAtomically(path, text);
}

async function reportOf(volumes: Volumes, words: VolumeWords, key: VolumeKey): Promise<ReportedVolume> {
  const declared = words.declared(key);
  const stored = volumes.of(key);
  const disk = await volumes.look(key);
  const usedBy = volumes.usersOf(key).map(userText);
  const spec = declared.is === 'wanted' ? declared.volume.spec : undefined;
  const message = messageOf(declared, disk);
  return {
    namespace: namespaceOf(key),
    name: nameOf(key),
    usedBy,
    ...sizePart(disk.state === 'ready' ? disk.bytes : spec?.bytes),
    ...policyPart(spec?.reclaimPolicy ?? stored?.reclaimPolicy),
    ...(stored === undefined ? {} : storedPart(stored)),
    state: stateOf(declared, disk, usedBy.length > 0),
    ...(message === undefined ? {} : { message }),
  };
}

function sizePart(bytes: number | undefined): Pick<ReportedVolume, 'size'> {
  return bytes === undefined ? {} : { size: quantityText('size', bytes) };
}

function policyPart(reclaimPolicy: ReportedVolume['reclaimPolicy']): Pick<ReportedVolume, 'reclaimPolicy'> {
  return reclaimPolicy === undefined ? {} : { reclaimPolicy };
}

function storedPart(stored: StoredVolume): Pick<ReportedVolume, 'createdAt' | 'image'> {
  const { image } = stored;
  return {
    createdAt: timeOf(stored),
    ...(image === undefined ? {} : { image: withDigest(image) }),
  };
}

type Said = ReturnType<VolumeWords['declared']>;

function stateOf(declared: Said, disk: VolumeDisk, isUsed: boolean): ReportedVolume['state'] {
  if (disk.state === 'absent') return 'Pending';
  if (disk.state === 'making') return 'Filling';
  if (disk.state === 'failed') return 'Failed';
  if (isUsed) return 'InUse';
  return declared.is === 'gone' || declared.is === 'barred' ? 'Retained' : 'Available';
}

function messageOf(declared: Said, disk: VolumeDisk): string | undefined {
  if (disk.state === 'failed') return disk.message;
  if (disk.state === 'making') return disk.progress;
  if (declared.is === 'gone') return undefined;
  if (declared.is === 'barred') return declared.message;
  if (declared.refused !== undefined) return declared.refused.message;
  if (declared.is === 'held' || disk.state !== 'ready') return undefined;
  const { bytes } = declared.volume.spec;
  const wish = quantityText('size', bytes);
  if (disk.bytes > bytes) return `spec.size is ${wish}: a volume never shrinks`;
  return disk.bytes < bytes ? `grows to ${wish} before the next start that finds it unused` : undefined;
}

function timeOf({ createdAt }: StoredVolume): string {
  return `${new Date(createdAt).toISOString().slice(0, 19)}Z`;
}
