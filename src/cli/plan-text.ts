import type { Plan } from '../plan/verdict.ts';
import { actionText } from './action-text.ts';
import type { PlannedInstance } from './planned.ts';
import { printable } from './printable.ts';

/** What would happen to one instance, step by step, each with its why, and where it would end. */
export function plannedText({ key, rounds, pendingFields }: PlannedInstance): string {
  const steps = rounds.flatMap(stepsOf);
  const numbered = steps.map(([what, why], at) => `  ${at + 1}. ${what}${why === '' ? '' : `  (${why})`}`);
  const last = rounds.at(-1);
  return [
    key,
    ...(numbered.length === 0 ? ['  nothing to do'] : numbered),
    ...(last === undefined ? [] : [`  then: ${endText(last)}`]),
    ...(pendingFields.length === 0 ? [] : [`  waits for a restart: ${pendingFields.join(', ')}`]),
  ]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

/** The actions of one round share one reason: it is told with the first. */
function stepsOf({ actions, message }: Plan): readonly (readonly [what: string, why: string])[] {
  return actions.map((action, at) => [actionText(action), at === 0 ? message : ''] as const);
}

function endText({ verdict, reason, message }: Plan): string {
  const words = { rest: 'at rest', unmet: 'goes on', waiting: 'waits', stuck: 'stuck' } as const;
  return message === '' ? `${words[verdict]} (${reason})` : `${words[verdict]} (${reason}): ${message}`;
}
