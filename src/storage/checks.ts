/** Reading what was written to disk by an earlier controller, or by somebody else. */
export type Check = (value: unknown) => boolean;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const isText: Check = (value) => typeof value === 'string' && value !== '';
export const isBoolean: Check = (value) => typeof value === 'boolean';
export const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
export const isTime: Check = (value) => typeof value === 'number' && Number.isFinite(value);
export const isInstanceKey: Check = (value) => typeof value === 'string' && /^[^/]+\/[^/]+$/.test(value);
/** It is made a part of paths. */
export const isId: Check = (value) => typeof value === 'string' && /^[A-Za-z0-9_-]+$/.test(value);
export const isTextList: Check = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');
export const isTextMap: Check = (value) =>
  isObject(value) && Object.values(value).every((one) => typeof one === 'string');

export function maybe(check: Check): Check {
  return (value) => value === undefined || check(value);
}

/** The paths (`identity.id`) whose value is missing or wrong. */
export function wrongFields(value: unknown, fields: Readonly<Record<string, Check>>): readonly string[] {
  return Object.entries(fields)
    .filter(([path, check]) => !check(at(value, path.split('.'))))
    .map(([path]) => path);
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inside, name) => (isObject(inside) ? inside[name] : undefined), value);
}
