/** A JSON object from outside: names are known, values are not. */
export type Fields = Readonly<Record<string, unknown>>;

/** The object in a JSON text; undefined for anything else, broken text included. */
export function parseFields(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The value if it is an object, else one without fields. */
export function asFields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
