import { posix } from 'node:path';
import type { Problem } from './instance.ts';
import { problem } from './problem.ts';
import { listOf, textAt, valueAt } from './raw.ts';

/** Mounting over these would take the system or init itself from under the guest. `/` is meant exactly. */
const SYSTEM = [
  ...['/bin', '/boot', '/dev', '/etc', '/lib', '/lib64', '/proc', '/root', '/run', '/sbin', '/sys', '/tmp'],
  ...['/usr', '/var'],
];
/** virtio-blk names vdd to vdz: what is left beside root disk, overlay and one in reserve. */
const MOST_DEVICES = 23;

/** The mount path without doubled slashes, `.` and a slash at the end. */
export function cleanMountPath(path: string): string {
  return posix.normalize(path).replace(/(.)\/$/, '$1');
}

/** What is wrong with the volumes of a spec, each and taken together. */
export function volumeProblems(spec: unknown): readonly Problem[] {
  const volumes = listOf(valueAt(spec, ['volumes']));
  return [
    ...volumes.flatMap((volume, at) => [...overlayProblems(volume, at), ...pathProblems(volume, at)]),
    ...repeated(volumes.map((volume) => cleanMountPath(textAt(volume, ['mountPath']) ?? ''))).map(
      ([at, first]) =>
        problem(
          ['spec', 'volumes', at, 'mountPath'],
          `volumes[${first}] is mounted there too: choose another path`,
        ),
    ),
    ...repeated(volumes.map((volume) => textAt(volume, ['volume']) ?? '.')).map(([at, first]) =>
      problem(['spec', 'volumes', at, 'volume'], `volumes[${first}] is the same volume: attach it once`),
    ),
    ...countProblems(volumes),
  ];
}

function overlayProblems(volume: unknown, index: number): readonly Problem[] {
  const at = ['spec', 'volumes', index];
  const hasSize = valueAt(volume, ['overlaySize']) !== undefined;
  if (valueAt(volume, ['overlay']) !== true) {
    return hasSize
      ? [problem([...at, 'overlaySize'], 'overlaySize requires overlay: true: add it, or remove the size')]
      : [];
  }
  return [
    ...(valueAt(volume, ['readonly']) === true
      ? []
      : [problem([...at, 'overlay'], 'overlay: true requires readonly: true: the volume below is shared')]),
    ...(hasSize
      ? []
      : [problem([...at, 'overlaySize'], 'overlay: true requires overlaySize: add it, as in 1GB')]),
  ];
}

function pathProblems(volume: unknown, index: number): readonly Problem[] {
  const path = textAt(volume, ['mountPath']);
  if (path?.startsWith('/') !== true) return [];
  const at = ['spec', 'volumes', index, 'mountPath'];
  if (path.includes('\0')) return [problem(at, 'must not contain a NUL character')];
  const clean = cleanMountPath(path);
  const over =
    clean === '/' ? '/' : SYSTEM.find((system) => clean === system || clean.startsWith(`${system}/`));
  return over === undefined
    ? []
    : [problem(at, `would cover ${over} of the system: mount it elsewhere, as in /mnt/data`)];
}

function countProblems(volumes: readonly unknown[]): readonly Problem[] {
  const devices = volumes.reduce<number>((sum, one) => sum + (valueAt(one, ['overlay']) === true ? 2 : 1), 0);
  if (devices <= MOST_DEVICES) return [];
  const message = `these are ${devices} devices and at most ${MOST_DEVICES} fit; a volume with an overlay is two`;
  return [problem(['spec', 'volumes'], `${message}: remove some`)];
}

/** Index of each repetition, and of what it repeats. `.` stands for nothing. */
function repeated(texts: readonly string[]): readonly (readonly [number, number])[] {
  return texts.flatMap((text, at) => {
    const first = texts.indexOf(text);
    return first < at && text !== '.' ? [[at, first] as const] : [];
  });
}
