import { REST } from './placement-step.ts';
import type { Rung, Step } from './placement-step.ts';

/** Whoever holds it can run it, or is let go: by people's word, never because nothing is heard. */
export const holderExists: Rung = ({ instance: { holder }, holderStanding }) => {
  const isOver = holderStanding === 'gone' || holderStanding === 'out-of-service';
  return holder !== undefined && isOver ? { actions: [{ kind: 'let-go', node: holder }] } : undefined;
};

export const holderHeard: Rung = ({ instance: { holder }, holderStanding }) => {
  if (holder === undefined) return undefined;
  if (holderStanding === 'unreachable')
    return unheard(
      'NodeUnreachable',
      `nothing is heard of node ${holder}, and the machine may run on there. When the node is shut down for good, ` +
        'taint it with node.kubernetes.io/out-of-service, or delete the Node: then the instance is placed anew, ' +
        'with a new disk',
    );
  if (holderStanding === 'silent')
    return unheard(
      'AgentUnreachable',
      `nothing is heard of the agent of node ${holder}; machines run on without it`,
    );
  return undefined;
};

function unheard(reason: string, message: string): Step {
  return { ...REST, unheard: { reason, message } };
}
