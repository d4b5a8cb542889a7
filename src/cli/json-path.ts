import { usageFault } from './faults.ts';

type Step = (value: unknown) => unknown;

const FIELD = /^\.([A-Za-z_][\w-]*)/;
const QUOTED = /^\['([^']+)'\]/;
const INDEX = /^\[(\d+)\]/;
const FILTER = /^\[\?\(@\.([\w-]+)\s*==\s*["']([^"']*)["']\)\]/;

/**
 * The part of kubectl's JSONPath that points at one value: `{.status.state}`, `{.a['b.c']}`,
 * `{.items[0].x}`, `{.status.conditions[?(@.type=="Ready")].status}`. The function gives undefined where
 * nothing is. Throws a usage fault for anything else.
 */
export function parseJsonPath(text: string): (value: unknown) => unknown {
  const body = text.replace(/^\{(.*)\}$/s, '$1').trim();
  const steps: Step[] = [];
  let rest = body.startsWith('.') || body.startsWith('[') ? body : `.${body}`;
  while (rest !== '') {
    const [length, step] = firstStep(rest, text);
    steps.push(step);
    rest = rest.slice(length);
  }
  return (value) => steps.reduce((at: unknown, step) => step(at), value);
}

function firstStep(rest: string, whole: string): readonly [length: number, step: Step] {
  const name = FIELD.exec(rest) ?? QUOTED.exec(rest);
  if (name !== null) return [name[0].length, (value) => fieldOf(value, name[1] ?? '')];
  const index = INDEX.exec(rest);
  if (index !== null) return [index[0].length, (value) => itemsOf(value)[Number(index[1])]];
  const filter = FILTER.exec(rest);
  if (filter !== null)
    return [
      filter[0].length,
      (value) => itemsOf(value).find((item) => fieldOf(item, filter[1] ?? '') === filter[2]),
    ];
  throw usageFault(`the path "${whole}" cannot be read at "${rest}": write {.status.state}`);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
