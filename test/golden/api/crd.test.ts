import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHANGE_EFFECTS, type ChangeEffect } from '../../../src/api/change-effects.ts';
import { DEFAULTS } from '../../../src/api/defaults.ts';
import type { QuantityKind } from '../../../src/api/quantity-kind.ts';
import { parseQuantity } from '../../../src/api/quantity.ts';
import { UNSUPPORTED } from '../../../src/api/supported.ts';
import { instanceCrd } from '../../support/instance-crd.ts';

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly enum?: readonly string[];
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly 'x-kubernetes-int-or-string'?: boolean;
};
type Crd = { spec: { versions: [{ schema: { openAPIV3Schema: Schema } }] } };

const root = (instanceCrd() as Crd).spec.versions[0].schema.openAPIV3Schema;
const spec = root.properties?.spec ?? {};
const fields = Object.keys(CHANGE_EFFECTS);

function at(path: string): Schema {
  return path.split('.').reduce<Schema>((schema, name) => schema.properties?.[name] ?? {}, spec);
}

function all(schema: Schema): readonly Schema[] {
  const children = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties];
  return [schema, ...children.flatMap((child) => (child === undefined ? [] : all(child)))];
}

const SAID: Readonly<Record<ChangeEffect, RegExp>> = {
  live: /A change takes effect at once/,
  restart: /A change takes effect at the next restart/,
  recreate: /A change takes effect when the instance is recreated/,
  immutable: /Cannot be changed/,
  placement: /A change takes effect when the instance is placed anew/,
};

test.each(fields)('%s says when a change takes effect, as the planner has it', (path) => {
  expect(at(path).description).toMatch(SAID[CHANGE_EFFECTS[path]?.effect ?? 'live']);
});

test('no field of the spec is without a change effect', () => {
  const known = (name: string): boolean =>
    fields.some((path) => path === name || path.startsWith(`${name}.`));
  expect(Object.keys(spec.properties ?? {}).filter((name) => !known(name))).toEqual([]);
});

test.each(['vcpus', 'size', 'overlaySize', 'state', 'restartPolicy', 'updatePolicy'] as const)(
  '%s tells its true default in its first sentence',
  (name) => {
    expect(at(name).description?.split(/\.\s/)[0]).toContain(`default ${DEFAULTS[name]}`);
  },
);

test('what is refused exists', () => {
  for (const { field, values = [] } of UNSUPPORTED) {
    expect(at(field).description, field).toBeDefined();
    const words = values.filter((value) => typeof value === 'string');
    expect(at(field).enum ?? [], field).toEqual(expect.arrayContaining(words));
  }
});

// CEL's cost is estimated from these; one unbounded text would make a server refuse the whole CRD.
test('everything that can grow has a bound', () => {
  const unbounded = all(spec).filter(
    (schema) =>
      (schema.type === 'string' && schema.enum === undefined && schema.maxLength === undefined) ||
      (schema['x-kubernetes-int-or-string'] === true && schema.maxLength === undefined) ||
      (schema.type === 'array' && schema.maxItems === undefined) ||
      (schema.additionalProperties !== undefined && schema.maxProperties === undefined),
  );
  expect(unbounded).toEqual([]);
});

test.each<[string, QuantityKind]>([
  ['size', 'size'],
  ['diskIoBps', 'diskRate'],
  ['network.bandwidthUpload', 'bandwidth'],
])('the pattern of %s and our parser read the same texts', (path, kind) => {
  const pattern = new RegExp(at(path).pattern ?? '$^', 'u');
  const units = fc.constantFrom(
    '',
    'B',
    'b',
    'k',
    'K',
    'M',
    'G',
    'Ki',
    'mi',
    'KB',
    'Kb',
    'kb',
    'GiB',
    'Gib',
    'gib',
    'Kbps',
  );
  const more = fc.constantFrom(
    'bps',
    'MBps',
    'mega',
    'Megabytes',
    'MEGA',
    'x',
    'Tbps',
    'Pbps',
    'byte',
    'Bytes',
    'ps',
    'I',
    'iB',
  );
  const text = fc
    .tuple(
      fc.constantFrom('1', '10', '1.0', '1.', '', '-1', '01'),
      fc.constantFrom('', ' ', '  '),
      fc.oneof(units, more),
      fc.constantFrom('', '/s', '/S'),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (written) => {
      expect(pattern.test(written), written).toBe(parseQuantity(kind, written).is === 'bytes');
    }),
    { numRuns: 2000 },
  );
});
