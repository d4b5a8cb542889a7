import { HypemanError } from '../../errors.ts';

/** A JSON object from outside: names are known, values are not. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * The object in one line. Throws `BadMessage`. The parser's own error is not kept as a cause: it quotes
 * the text, and the text may hold a secret. So do all readers here: they name the field, never its value.
 */
export function parseFields(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw badMessage('the line is not JSON');
  }
  return fieldsIn(value, 'the message');
}

export function fieldsIn(value: unknown, what: string): Fields {
  if (isFields(value)) return value;
  throw badMessage(`${what} is not an object`);
}

/** At most `longest` characters, and not empty. */
export function textIn(fields: Fields, name: string, longest: number): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '' && value.length <= longest) return value;
  throw badMessage(`${name} is not a text of 1 to ${longest} characters`);
}

export function wholeIn(fields: Fields, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw badMessage(`${name} is not a whole number up to ${most}`);
}

export function listIn(fields: Fields, name: string, most: number): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value) && value.length <= most) return value;
  throw badMessage(`${name} is not a list of at most ${most} entries`);
}

export function textsIn(fields: Fields, name: string, most: number, longest: number): readonly string[] {
  return listIn(fields, name, most).map((_, at, list) => textIn({ [name]: list[at] }, name, longest));
}

export function oneOf<T extends string>(fields: Fields, name: string, words: readonly T[]): T {
  const found = words.find((word) => word === fields[name]);
  if (found !== undefined) return found;
  throw badMessage(`${name} is none of ${words.join(', ')}`);
}

export function badMessage(message: string): HypemanError {
  return new HypemanError('bug', 'BadMessage', `egress control: ${message}`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
