import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { isMapping, listOf, mappingOf, valueAt, type Mapping } from './raw.ts';

/** The spec's schema, ready to be asked. */
export type SpecSchema<Raw> = {
  readonly validate: ValidateFunction<Raw>;
  /** Every field by its path from the spec, through lists and maps: `network.egress.enabled`. */
  readonly fields: readonly string[];
};

export type SchemaError = ErrorObject<string, Record<string, unknown>>;

/**
 * Compiles the spec's part of the CRD's own schema, so that directory mode and Kubernetes judge by the
 * same words. Stricter in one thing: where a server drops a field it does not know, here it is an error.
 * Undefined when `crd` is no such CRD.
 */
export function openSchema<Raw>(crd: unknown): SpecSchema<Raw> | undefined {
  const version = listOf(valueAt(crd, ['spec', 'versions']))[0];
  const spec = valueAt(version, ['schema', 'openAPIV3Schema', 'properties', 'spec']);
  if (!isMapping(spec)) return undefined;
  const ajv = new Ajv({ allErrors: true, verbose: true, strict: false, validateFormats: false });
  return { validate: ajv.compile<Raw>(jsonSchemaOf(spec)), fields: fieldsOf(spec) };
}

/** Kubernetes' dialect as JSON schema: int-or-string becomes two types, known objects become closed. */
function jsonSchemaOf(schema: Mapping): Mapping {
  const plain = Object.fromEntries(
    Object.entries(schema).filter(([key]) => !key.startsWith('x-kubernetes-') && key !== 'properties'),
  );
  const properties = isMapping(schema.properties) ? { properties: mapValues(schema.properties) } : {};
  const inner = {
    ...(isMapping(schema.items) ? { items: jsonSchemaOf(schema.items) } : {}),
    ...(isMapping(schema.additionalProperties)
      ? { additionalProperties: jsonSchemaOf(schema.additionalProperties) }
      : {}),
  };
  const kind = schema['x-kubernetes-int-or-string'] === true ? { type: ['integer', 'string'] } : {};
  return {
    ...plain,
    ...kind,
    ...properties,
    ...inner,
    ...(isClosed(schema) ? { additionalProperties: false } : {}),
  };
}

function isClosed(schema: Mapping): boolean {
  return isMapping(schema.properties) && schema['x-kubernetes-preserve-unknown-fields'] !== true;
}

function mapValues(properties: Mapping): Mapping {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, jsonSchemaOf(mappingOf(value))]),
  );
}

function fieldsOf(schema: Mapping, prefix = ''): readonly string[] {
  return Object.entries(mappingOf(schema.properties)).flatMap(([name, child]) => [
    `${prefix}${name}`,
    ...fieldsOf(mappingOf(child), `${prefix}${name}.`),
  ]);
}
