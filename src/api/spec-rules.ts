import { credentialProblems, credentialWarnings } from './credential-rules.ts';
import { environmentProblems } from './environment-rules.ts';
import type { Problem } from './instance.ts';
import { problem } from './problem.ts';
import { quantityProblems } from './quantity-rules.ts';
import { mappingOf, valueAt } from './raw.ts';
import type { SourceKind } from './supported.ts';
import { volumeProblems } from './volume-rules.ts';

/**
 * What a schema cannot say of the spec of the instance of this name: rules that cross fields, sizes and rates, names in maps. Takes any value,
 * checked or not, so that one reading of a document tells everything that is wrong with it.
 */
export function specProblems(
  spec: unknown,
  name: string | undefined,
  source: SourceKind,
): readonly Problem[] {
  return [
    ...originProblems(spec, name),
    ...quantityProblems(spec),
    ...environmentProblems(spec, source),
    ...networkProblems(spec),
    ...credentialProblems(spec),
    ...volumeProblems(spec),
    ...deviceProblems(spec),
    ...tagProblems(spec),
  ];
}

/** What is allowed, and has no effect or a wider one than was meant. */
export function specWarnings(spec: unknown): readonly Problem[] {
  const limits = ['bandwidthDownload', 'bandwidthUpload'];
  const idle = valueAt(spec, ['network', 'enabled']) === false ? limits : [];
  return [
    ...idle
      .filter((limit) => valueAt(spec, ['network', limit]) !== undefined)
      .map((limit) => problem(['spec', 'network', limit], 'has no effect while network.enabled is false')),
    ...credentialWarnings(spec),
  ];
}

function originProblems(spec: unknown, name: string | undefined): readonly Problem[] {
  const given = ['image', 'forkFrom'].filter((field) => valueAt(spec, [field]) !== undefined);
  const source = ['forkFrom', 'instance'];
  if (given.length === 1)
    return name !== undefined && valueAt(spec, source) === name
      ? [problem(['spec', ...source], 'is this Instance itself: name the one that is to be forked')]
      : [];
  return given.length === 0
    ? [
        problem(
          ['spec', 'image'],
          'image is missing: name an image such as docker.io/library/nginx:1.29, or use forkFrom',
        ),
      ]
    : [problem(['spec', 'forkFrom'], 'exactly one of image and forkFrom must be given: remove one of them')];
}

export const NETWORK_MISSING = problem(
  ['spec', 'network', 'egress', 'enabled'],
  'network.egress.enabled requires network.enabled: true: enable the network, or disable egress',
);

function networkProblems(spec: unknown): readonly Problem[] {
  const isMediated = valueAt(spec, ['network', 'egress', 'enabled']) === true;
  return isMediated && valueAt(spec, ['network', 'enabled']) === false ? [NETWORK_MISSING] : [];
}

function deviceProblems(spec: unknown): readonly Problem[] {
  const devices = valueAt(spec, ['devices']);
  if (!Array.isArray(devices)) return [];
  const all: readonly unknown[] = devices;
  return all.flatMap((device, at) =>
    all.indexOf(device) < at ? [problem(['spec', 'devices', at], 'is in the list twice: remove one')] : [],
  );
}

function tagProblems(spec: unknown): readonly Problem[] {
  return Object.keys(mappingOf(valueAt(spec, ['tags'])))
    .filter((key) => !/^[A-Za-z0-9 _.:/=+@-]{1,128}$/.test(key))
    .map((key) =>
      problem(['spec', 'tags', key], 'a key must be 1 to 128 of A-Z a-z 0-9 _ . : / = + @ - and space'),
    );
}
