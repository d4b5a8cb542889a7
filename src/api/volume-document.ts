import type { VolumeSource } from '../machine/volume.ts';
import { envelopeProblems } from './envelope.ts';
import type { Problem } from './instance.ts';
import { merged } from './merged-problems.ts';
import { readMetadata } from './metadata.ts';
import { problem } from './problem.ts';
import { complaintAbout, VOLUME_SIZE } from './quantity-rules.ts';
import { parseQuantity } from './quantity.ts';
import { isMapping, valueAt } from './raw.ts';
import { schemaProblems } from './schema-problems.ts';
import type { SpecSchema } from './schema.ts';
import type { SourceKind } from './supported.ts';
import type { ReclaimPolicy, Volume } from './volume.ts';

/** A Volume's spec as it is written, once the schema has accepted it. */
export type DeclaredVolumeSpec = {
  readonly size: string | number;
  readonly source?: { readonly archive?: string; readonly image?: string };
  readonly reclaimPolicy?: ReclaimPolicy;
};

export type ParsedVolume =
  | { readonly is: 'good'; readonly volume: Volume }
  | {
      readonly is: 'bad';
      readonly namespace?: string;
      readonly name?: string;
      readonly problems: readonly Problem[];
    };

/** Reads a Volume, or tells everything that is wrong with it at once. */
export function parseVolume(
  document: unknown,
  source: SourceKind,
  schema: SpecSchema<DeclaredVolumeSpec> | undefined,
): ParsedVolume {
  if (schema === undefined)
    return {
      is: 'bad',
      problems: [problem([], 'the Volume schema cannot be read: reinstall hypeman-controller')],
    };
  if (!isMapping(document))
    return {
      is: 'bad',
      problems: [problem([], 'is not an object: it must have apiVersion, kind, metadata and spec')],
    };
  const { namespace, name, problems: ofMetadata } = readMetadata(document, 'label');
  const { spec } = document;
  const isSpec = schema.validate(spec);
  const ofSchema = isSpec ? [] : schemaProblems(spec, schema.validate.errors ?? [], schema.fields);
  const ofRules = [...sizeProblems(spec), ...sourceProblems(spec, source)];
  const problems = [...envelopeProblems(document, 'Volume'), ...ofMetadata, ...merged(ofSchema, ofRules)];
  if (!isSpec || problems.length > 0)
    return { is: 'bad', namespace, ...(name === '' ? {} : { name }), problems };
  return { is: 'good', volume: { namespace, name, spec: specOf(spec) } };
}

function specOf({ size, source, reclaimPolicy = 'Retain' }: DeclaredVolumeSpec): Volume['spec'] {
  const quantity = parseQuantity('size', size);
  return {
    bytes: quantity.is === 'bytes' ? quantity.bytes : 0,
    ...sourceOf(source),
    reclaimPolicy,
  };
}

function sourceOf({ archive, image }: DeclaredVolumeSpec['source'] = {}): { readonly source?: VolumeSource } {
  if (image !== undefined) return { source: { from: 'image', reference: image } };
  return archive === undefined ? {} : { source: { from: 'archive', path: archive } };
}

function sizeProblems(spec: unknown): readonly Problem[] {
  const size = valueAt(spec, ['size']);
  const message = size === undefined ? undefined : complaintAbout(size, VOLUME_SIZE);
  return message === undefined ? [] : [problem(['spec', 'size'], message)];
}

function sourceProblems(spec: unknown, kind: SourceKind): readonly Problem[] {
  const source = valueAt(spec, ['source']);
  if (!isMapping(source)) return [];
  const at = ['spec', 'source'];
  if (source.image !== undefined && source.archive !== undefined)
    return [problem(at, 'a volume is filled from one thing: remove archive or image')];
  if (source.image === undefined && source.archive === undefined)
    return [problem(at, 'names nothing to fill the volume with: add archive or image, or remove source')];
  if (source.archive === undefined || kind === 'directory') return [];
  return [
    problem(
      [...at, 'archive'],
      'is a file of a host, so it has a meaning in directory mode only: put the files into an image, and use image',
    ),
  ];
}
