import { HypemanError } from '../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** The objects of a list that a program printed; no text is an empty list (ip and tc say nothing for none). */
export function objectsIn(text: string, program: string): readonly JsonObject[] {
  return objects(text.trim() === '' ? [] : parsed(text, program));
}

/** What `nft -j` prints: a list of objects of one member each. */
export function nftObjects(text: string): readonly JsonObject[] {
  return objects(member(parsed(text, 'nft'), 'nftables'));
}

/** The objects among the elements of what should be a list. */
export function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** One member of what should be an object. */
export function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(text: string, program: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new HypemanError('transient', 'UnreadableOutput', `${program} printed what is not JSON`, {
      cause: error,
    });
  }
}
