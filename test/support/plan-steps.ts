import type { Action } from '../../src/plan/action.ts';
import { plan } from '../../src/plan/plan.ts';
import type { World } from '../../src/plan/world.ts';

/** The next step, action by action. */
export function stepsOf(world: World): readonly string[] {
  return plan(world).actions.map(stepText);
}

/** `guard all 40001`, `put all 1`: what matters of an action to mediation. */
export function stepText(action: Action): string {
  if (action.kind === 'guard-tap')
    return ['guard', action.mediation?.mode, action.mediation?.ports?.explicit].filter(Boolean).join(' ');
  if (action.kind === 'put-policy') return `put ${action.policy.mode} ${action.policy.grants.length}`;
  if (action.kind === 'remove-policy') return action.forget ? 'forget policy' : 'remove policy';
  return action.kind;
}
