import type { Problem } from './instance.ts';
import { pathText } from './problem.ts';
import type { SchemaProblem } from './schema-problems.ts';

/** One problem for one value: a rule knows more about it than the schema, the first complaint more than the next. */
export function merged(ofSchema: readonly SchemaProblem[], ofRules: readonly Problem[]): readonly Problem[] {
  const told = new Set(ofRules.map(({ pointer }) => pathText(pointer)));
  const others = ofSchema.filter(({ pointer, isAboutValue }) => {
    const path = pathText(pointer);
    if (isAboutValue && told.has(path)) return false;
    told.add(path);
    return true;
  });
  return [...others.map(({ pointer, message }) => ({ pointer, message })), ...ofRules];
}
