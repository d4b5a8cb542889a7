import type { Problem } from './instance.ts';
import { nearestOf } from './nearest.ts';
import { orList, problem, type Pointer } from './problem.ts';
import { isMapping, valueAt } from './raw.ts';
import type { SchemaError } from './schema.ts';

/** A problem the schema found; `isAboutValue` when it is about the very value at the pointer. */
export type SchemaProblem = Problem & { readonly isAboutValue: boolean };

/** The schema's complaints about a spec in words for a person, one per place and keyword. */
export function schemaProblems(
  spec: unknown,
  errors: readonly SchemaError[],
  fields: readonly string[],
): readonly SchemaProblem[] {
  return errors.map((error) => {
    const pointer = pointerOf(spec, error.instancePath);
    const at = ['spec', ...pointer];
    switch (error.keyword) {
      case 'required': {
        const missing = paramText(error, 'missingProperty');
        return { ...problem([...at, missing], `${missing} is missing: add it`), isAboutValue: false };
      }
      case 'additionalProperties': {
        const unknown = paramText(error, 'additionalProperty');
        return {
          ...problem([...at, unknown], unknownField(unknown, pointer, error, fields)),
          isAboutValue: false,
        };
      }
      default:
        return { ...problem(at, complaint(error, isSecret(pointer))), isAboutValue: true };
    }
  });
}

/** What stands in env may be a secret: it is never repeated. */
function isSecret(pointer: Pointer): boolean {
  return pointer[0] === 'env';
}

function complaint(error: SchemaError, secret: boolean): string {
  if (error.keyword === 'type') return wrongType(error, secret);
  if (error.keyword === 'enum') return notInEnum(error);
  if (error.keyword === 'pattern') {
    return PATTERN_RULES[ruleNameOf(error)] ?? `is not written as it must be${description(error)}`;
  }
  const limit = String(error.params.limit);
  return LIMITS[error.keyword]?.(limit) ?? `${error.message ?? 'is not valid'}${description(error)}`;
}

const LIMITS: Readonly<Record<string, (limit: string) => string>> = {
  minimum: (limit) => `must be at least ${limit}`,
  maximum: (limit) => `must be at most ${limit}`,
  minLength: () => 'must not be empty',
  minItems: () => 'must not be empty: add an entry, or remove it',
  maxLength: (limit) => `must not be longer than ${limit} characters`,
  maxItems: (limit) => `must not have more than ${limit} entries`,
  maxProperties: (limit) => `must not have more than ${limit} entries`,
};

const NAME_RULE = 'must be 1 to 63 lower-case letters, digits and dashes, with no dash at either end';

/** What each pattern of the CRD asks for, by the field's own name. */
const PATTERN_RULES: Readonly<Record<string, string>> = {
  image:
    'is not an image reference: write one such as docker.io/library/nginx:1.29 (lower case, without https://), or oci:DIR for an OCI layout on the host',
  volume: NAME_RULE,
  instance: NAME_RULE,
  mountPath: 'must be an absolute path such as /mnt/data',
  header: 'must be the name of a header such as Authorization',
  format: 'must contain ${value} where the secret goes, as in "Bearer ${value}"',
  tags: 'may only have A-Z a-z 0-9 _ . : / = + @ - and space',
};

function ruleNameOf(error: SchemaError): string {
  const steps = error.instancePath.split('/');
  return steps[1] === 'tags' ? 'tags' : (steps.at(-1) ?? '');
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of names to values',
};

function wrongType(error: SchemaError, secret: boolean): string {
  const types = [error.params.type].flat().map((type) => TYPE_NAMES[String(type)] ?? String(type));
  const wanted = orList(types);
  const value: unknown = error.data;
  if (value === null) return `must be ${wanted}, but there is no value: give one or remove the line`;
  const isScalar = typeof value === 'number' || typeof value === 'boolean';
  if (types[0] === 'text' && isScalar) {
    const quoted = secret ? '' : `: "${String(value)}"`;
    return `must be text, but YAML reads it as a ${typeof value}: quote it${quoted}`;
  }
  if (types[0] === 'a list' && (typeof value === 'string' || isScalar)) {
    return `must be a list, but it is a single value: put it in brackets, as in ["one", "two"]`;
  }
  return `must be ${wanted}, but it is ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (typeof value !== 'string') return `a ${typeof value}`;
  return /^(?:[0-9]+|true|false)$/.test(value) ? 'text: remove the quotes' : 'text';
}

function notInEnum(error: SchemaError): string {
  const values = (Array.isArray(error.params.allowedValues) ? error.params.allowedValues : []).map(String);
  const written: unknown = error.data;
  const near = typeof written === 'string' ? nearestOf(written, values) : undefined;
  return `must be ${orList(values)}${near === undefined ? '' : `: did you mean ${near}?`}`;
}

function unknownField(
  unknown: string,
  pointer: Pointer,
  error: SchemaError,
  fields: readonly string[],
): string {
  const siblings = Object.keys(
    isMapping(error.parentSchema?.properties) ? error.parentSchema.properties : {},
  );
  const elsewhere = fields.find((field) => field.endsWith(`.${unknown}`) || field === unknown);
  const near = nearestOf(unknown, siblings);
  if (near !== undefined) return `unknown field ${unknown}: did you mean ${near}?`;
  if (elsewhere !== undefined) return `unknown field ${unknown} here: it belongs at spec.${elsewhere}`;
  if (pointer.length === 0 && unknown === 'name')
    return 'unknown field name here: it belongs at metadata.name';
  return `unknown field ${unknown}: remove it, or use one of ${siblings.join(', ')}`;
}

function description(error: SchemaError): string {
  const text: unknown = error.parentSchema?.description;
  return typeof text === 'string' ? `: ${text}` : '';
}

function paramText(error: SchemaError, name: string): string {
  return String(error.params[name]);
}

/** RFC 6901, with numbers where the document has lists. */
function pointerOf(root: unknown, path: string): Pointer {
  const steps = path.split('/').slice(1);
  return steps.reduce<Pointer>((pointer, step) => {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    return [...pointer, Array.isArray(valueAt(root, pointer)) ? Number(key) : key];
  }, []);
}
