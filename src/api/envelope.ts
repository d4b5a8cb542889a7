import type { Problem } from './instance.ts';
import { API_VERSION } from './metadata.ts';
import { nearestOf } from './nearest.ts';
import { orList, problem } from './problem.ts';
import { valueAt } from './raw.ts';

const FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** What is wrong around the spec of a resource of ours. */
export function envelopeProblems(
  document: Readonly<Record<string, unknown>>,
  kind: 'Instance' | 'Volume',
): readonly Problem[] {
  const isOurs = valueAt(document, ['apiVersion']) === API_VERSION && valueAt(document, ['kind']) === kind;
  return [
    ...(isOurs
      ? []
      : [problem(['kind'], `this is no ${kind}: write apiVersion: ${API_VERSION} and kind: ${kind}`)]),
    ...Object.keys(document)
      .filter((key) => !FIELDS.includes(key))
      .map((key) => {
        const near = nearestOf(key, FIELDS);
        return problem(
          [key],
          `unknown field ${key}: ${near === undefined ? `remove it, or move it into ${orList(['metadata', 'spec'])}` : `did you mean ${near}?`}`,
        );
      }),
  ];
}
