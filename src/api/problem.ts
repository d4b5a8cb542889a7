import type { Problem } from './instance.ts';

export type Pointer = Problem['pointer'];

export function problem(pointer: Pointer, message: string): Problem {
  return { pointer, message };
}

/** A pointer as people write it: `spec.volumes[0].mountPath`, `spec.env["a.b"]`. */
export function pathText(pointer: Pointer): string {
  return pointer
    .map((step, at) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) return `[${JSON.stringify(step)}]`;
      return at === 0 ? step : `.${step}`;
    })
    .join('');
}

/** A problem as one line: where, what, and how to mend it. */
export function problemText(one: Problem): string {
  return one.pointer.length === 0 ? one.message : `${pathText(one.pointer)}: ${one.message}`;
}

/** `a, b or c` */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}
